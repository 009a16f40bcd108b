#!/usr/bin/env bash
# Prints the name of an installed toolchain that is the pinned version under another name ("stable"), where the pinned name
# itself is not installed: a machine that cannot download toolchains can still build. Prints nothing otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$HOME/.cargo/bin

pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
if [[ ${1:-} == --pinned ]]; then
  echo "$pinned"
  exit 0
fi
command -v rustup >/dev/null || exit 0
installed=$(rustup toolchain list | cut -d' ' -f1)
if grep -q "^$pinned" <<<"$installed"; then exit 0; fi
for name in $installed; do
  if [[ $(rustup run "$name" rustc --version 2>/dev/null) == "rustc $pinned "* ]]; then
    echo "$name"
    exit 0
  fi
done
