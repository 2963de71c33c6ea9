#!/usr/bin/env bash
# setup.sh: installs the packages of Node that the tests of the editors need, into a cache; does nothing where they are there.
#   STEAD_TEST_EDITORS_CACHE   where (/var/cache/stead-tests/editors)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${STEAD_TEST_EDITORS_CACHE:-/var/cache/stead-tests/editors}
# install NAME COMMAND DIRECTORY: the packages that DIRECTORY/package.json names.
install() {
  local to=$cache/$1 digest
  digest=$(cat "$3"/package*.json | sha256sum)
  if [ -d "$to/node_modules" ] && [ "$(cat "$to/digest" 2>/dev/null)" = "$digest" ]; then return; fi
  echo "setup: installing the packages of Node for $1"
  rm -rf "$to"
  mkdir -p "$to"
  cp "$3"/package*.json "$to"
  (cd "$to" && npm "$2" --ignore-scripts --no-audit --no-fund --loglevel=error --no-progress >/dev/null)
  # esbuild's own script puts its program in place.
  if [ -f "$to/node_modules/esbuild/install.js" ]; then (cd "$to" && node node_modules/esbuild/install.js); fi
  printf '%s' "$digest" >"$to/digest"
}
install textmate install "$here"
install vscode ci "$here/../../editors/vscode"
