#!/usr/bin/env bash
# Installs what packages/web is built and tested with, from the registry that npm is configured for. Does nothing when up to
# date, and says so where Node 20 or npm is not there: the tests that need them are then skipped, but not in CI.
set -euo pipefail
cd "$(dirname "$0")/../packages/web"

STAMP=node_modules/.setup-stamp

if ! command -v npm >/dev/null || ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null; then
  echo "setup-web: there is no Node 20 with npm here: what needs it is left out" >&2
  [ -z "${CI:-}" ] # in CI nothing is left out
  exit
fi
if [ -f "$STAMP" ] && cmp -s package.json "$STAMP"; then
  exit 0
fi
npm install --silent --ignore-scripts # exact versions stand in package.json; .npmrc says that no lock file is written
cp package.json "$STAMP"
