#!/usr/bin/env bash
# Fuzzes what reads untrusted bytes; --help says how.
set -euo pipefail
cd "$(dirname "$0")"
PATH=$PATH:$HOME/.cargo/bin
targets=(pass_code avro declaration csv)
seed=${FUZZ_SEED:-20200227}
# What is kept of a target's corpus, which is committed: the smallest inputs, within both bounds.
most_files=350
most_bytes=300000

usage() {
  cat <<END
usage: fuzz/run.sh [SECONDS] [TARGET…]      fuzzes each target for so long (600), then keeps what reached something in fuzz/corpus
       fuzz/run.sh replay TARGET FILE…      runs inputs again, with the backtrace of a crash
targets: ${targets[*]}
FUZZ_SEED is libFuzzer's seed ($seed). A crash leaves its input in fuzz/artifacts, and makes the exit status 1.
END
}

build() {
  ../setup/setup.sh run
  local toolchain host flags
  toolchain=$(../setup/toolchain.sh)
  if [[ -n $toolchain ]]; then export RUSTUP_TOOLCHAIN=$toolchain; fi
  host=$(rustc -vV | sed -n 's/^host: //p')
  # Counters on every edge and the operands of comparisons, which the stable compiler has too. Naming the host as the target keeps the
  # flags from build scripts and macros, which could not be loaded with them.
  flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
  flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
  flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
  echo "fuzz: building"
  RUSTFLAGS=$flags cargo build --quiet --locked --release --bins --target "$host"
  built=${CARGO_TARGET_DIR:-target}/$host/release
  # A city keeps its views in it.
  TMPDIR=$(mktemp -d)
  export TMPDIR
  trap 'rm -rf "$TMPDIR"' EXIT
}

# Longer inputs reach nothing that shorter ones don't.
longest() {
  case $1 in
    pass_code) echo 820 ;;
    avro) echo 1024 ;;
    *) echo 2048 ;;
  esac
}

# fuzz TARGET SECONDS: true if it did not crash. Its figures are the last line of $TMPDIR/figures.
fuzz() {
  local target=$1 seconds=$2 log=$TMPDIR/log work=$TMPDIR/work crashed=no options=()
  mkdir -p "$work/found" "corpus/$target" "artifacts/$target"
  "$built/seeds" "$target" "$work/seeds"
  if [[ -f dictionaries/$target.dict ]]; then options+=("-dict=dictionaries/$target.dict"); fi
  "$built/$target" "$work/found" "$work/seeds" "corpus/$target" -max_total_time="$seconds" -seed="$seed" \
    -max_len="$(longest "$target")" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="artifacts/$target/" "${options[@]}" 2>&1 | tee "$log" | progress "$target" || crashed=yes
  if [[ $crashed == yes ]]; then grep -A 2 -E 'panicked at|^==[0-9]+== ERROR|Test unit written to' "$log" | cut -c 1-400; fi
  keep "$target" "$work"
  figures "$target" "$log" $crashed >>"$TMPDIR/figures"
  rm -rf "$work"
  [[ $crashed == no ]]
}

# One of libFuzzer's lines now and then.
progress() {
  local line next=$SECONDS
  while read -r line; do
    if [[ $line == '#'* ]] && ((SECONDS >= next)); then
      echo "fuzz: $1: $line"
      next=$((SECONDS + 15))
    fi
  done
}

# The fewest inputs that reach every edge that was reached.
keep() {
  local target=$1 work=$2 size name files=0 bytes=0
  mkdir "$work/kept"
  "$built/$target" -merge=1 -use_counters=0 -max_len="$(longest "$target")" -artifact_prefix="$work/" \
    "$work/kept" "$work/seeds" "corpus/$target" "$work/found" >"$TMPDIR/merge" 2>&1 || { tail "$TMPDIR/merge"; return 1; }
  rm -rf "corpus/$target"
  mkdir "corpus/$target"
  while read -r size name; do
    files=$((files + 1)) bytes=$((bytes + size))
    if ((files > most_files || bytes > most_bytes)); then break; fi
    mv "$work/kept/$name" "corpus/$target/"
  done < <(find "$work/kept" -type f -printf '%s %f\n' | sort -n)
}

statistic() {
  sed -n "s/^stat::$2: *//p" "$1"
}

# Edges reached, by the last line that matches.
edges() {
  grep -oP "$2.* cov: \K\d+" "$1" | tail -n 1 | grep . || echo 0
}

row() {
  printf '%-12s %11s %7s %12s %7s %7s %13s %8s\n' "$@"
}

figures() {
  local target=$1 log=$2 crashed=$3 files bytes
  files=$(find "corpus/$target" -type f | wc -l)
  bytes=$(find "corpus/$target" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')
  row "$target" "$(statistic "$log" number_of_executed_units)" "$(statistic "$log" average_exec_per_sec)" \
    "$(edges "$log" INITED)" "$(edges "$log" '')" "$files" "$bytes" "$crashed"
}

case ${1:-} in
  -h | --help)
    usage
    exit
    ;;
  replay)
    (($# >= 3)) || { usage >&2; exit 2; }
    files=()
    for file in "${@:3}"; do files+=("$(realpath "$OLDPWD/$file")"); done
    build
    RUST_BACKTRACE=1 "$built/$2" "${files[@]}"
    exit
    ;;
esac
seconds=600
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  seconds=$1
  shift
fi
for target in "$@"; do
  [[ " ${targets[*]} " == *" $target "* ]] || { usage >&2; exit 2; }
done
if (($# > 0)); then targets=("$@"); fi

build
crashed=0
for target in "${targets[@]}"; do
  echo "fuzz: $target: $seconds s"
  fuzz "$target" "$seconds" || crashed=1
done
echo
echo "seed $seed, $seconds s each, commit $(git describe --always --dirty), $(rustc --version | cut -d' ' -f1,2), $(nproc) cores"
row target executions per_s edges_begun edges corpus corpus_bytes crashed
cat "$TMPDIR/figures"
exit $crashed
