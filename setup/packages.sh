#!/usr/bin/env bash
# Debian packages, each asked for by what it gives: a machine that has the thing from elsewhere is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:-all}
missing=()

# need PACKAGE PROBE...: the package is missing if the probe fails.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

any_of() {
  local name
  for name in "$@"; do command -v "$name" && return 0; done
  return 1
}

chinese_fonts() { [[ -n $(fc-list :lang=zh file 2>/dev/null) ]]; }

need build-essential command -v c++
need build-essential command -v make
need pkg-config command -v pkg-config
need libssl-dev pkg-config --exists openssl # Kafka over TLS
need zlib1g-dev pkg-config --exists zlib
need curl command -v curl
need git command -v git

if [[ $level == all ]]; then
  need default-jre-headless command -v java # Apache Kafka, the tests' broker
  need python3 command -v python3
  need python3-venv python3 -c 'import ensurepip, venv'
  need nodejs command -v node
  need npm command -v npm
  need chromium any_of chromium chromium-browser google-chrome
  need fonts-noto-cjk chinese_fonts
  need fontconfig command -v fc-list
  need shellcheck command -v shellcheck
fi

if ((${#missing[@]})); then setup/apt.sh "${missing[@]}"; fi
