#!/usr/bin/env bash
# The npm packages of the browser tests, in e2e/node_modules, exactly as locked.
set -euo pipefail
cd "$(dirname "$0")/../e2e"
stamp=node_modules/.stamp
want=$(sha256sum package.json package-lock.json)

if [[ $(cat "$stamp" 2>/dev/null) == "$want" ]]; then exit 0; fi
echo "setup: installing npm packages into e2e/node_modules" >&2
npm ci --no-audit --no-fund
echo "$want" >"$stamp"
