#!/usr/bin/env bash
# Rules of the house that no compiler knows. Each violation is a line; any makes the run fail.
set -euo pipefail
cd "$(dirname "$0")/.."
longest=400
violations=0

violation() {
  echo "$1" >&2
  violations=$((violations + 1))
}

mapfile -t tracked < <(git ls-files --cached --others --exclude-standard)
scripts=()
for file in "${tracked[@]}"; do
  [[ -f $file ]] || continue # deleted, not yet committed
  case $file in
    *.rs)
      lines=$(wc -l <"$file")
      if ((lines > longest)); then violation "$file: $lines lines; past $longest, ask which two ideas it holds"; fi
      if [[ $file == */src/* || $file == src/* ]] && [[ $file != */tests.rs ]] && ! head -n 5 "$file" | grep -q '^//!'; then
        violation "$file: opens without //!: what comes in, what goes out, which invariant holds"
      fi
      ;;
    *.sh | .ci/run) scripts+=("$file") ;;
  esac
  if [[ "/$file" =~ /(utils?|helpers?|common|misc)(\.[a-z]+$|/) ]]; then
    violation "$file: '${BASH_REMATCH[1]}' says nothing; name the file after the idea it holds"
  fi
done

shellcheck "${scripts[@]}" || violation "shellcheck: see above"
((violations == 0)) || exit 1
