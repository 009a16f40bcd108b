#!/usr/bin/env bash
# Installs what this machine lacks; says nothing and takes under a second when nothing is missing.
#   setup.sh run   what compiling and running needs
#   setup.sh all   that, and what `make test` and `make lint` need
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:-all}

setup/packages.sh "$level"
setup/rust.sh
if [[ $level == all ]]; then
  setup/kafka.sh
  setup/python.sh
  setup/browser.sh
fi
