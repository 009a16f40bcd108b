#!/usr/bin/env bash
# Installs the Debian packages named, as root or through sudo.
set -euo pipefail

echo "setup: installing Debian packages: $*" >&2
if ! command -v apt-get >/dev/null; then
  echo "setup: no apt-get on this machine: install by hand what these Debian packages hold: $*" >&2
  exit 1
fi
as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "setup: neither root nor sudo: let an administrator run 'apt-get install $*'" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update </dev/null >&2
"${apt[@]}" install -y --no-install-recommends "$@" </dev/null >&2
