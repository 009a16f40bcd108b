#!/usr/bin/env bash
# Rust at the version that rust-toolchain.toml pins.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$HOME/.cargo/bin

if ! command -v rustup >/dev/null; then
  if command -v cargo >/dev/null; then exit 0; fi # a distribution's Rust: cargo itself says if it is too old
  if apt-cache policy rustup 2>/dev/null | grep 'Candidate: [0-9]' >/dev/null; then # Debian 13 and later
    setup/apt.sh rustup
  else
    echo "setup: Rust is missing: install rustup as www.rust-lang.org/tools/install says, then run make again" >&2
    exit 1
  fi
fi

if [[ -n ${RUSTUP_TOOLCHAIN:-} || -n $(setup/toolchain.sh) ]]; then exit 0; fi
channel=$(setup/toolchain.sh --pinned)
if ! grep -q "^$channel" <<<"$(rustup toolchain list)"; then
  rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy
fi
