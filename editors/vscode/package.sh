#!/usr/bin/env bash
# package.sh [FILE]: makes the extension's package, stead.vsix where FILE is not given. Needs Node 18 or newer.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-stead.vsix}
case $out in /*) ;; *) out=$PWD/$out ;; esac
[ -d node_modules ] || npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
# esbuild's own script puts its program in place.
node node_modules/esbuild/install.js
npm run --silent check
npm run --silent build
cat ../../LICENSE-MIT ../../LICENSE-APACHE > LICENSE.md
trap 'rm -f LICENSE.md' EXIT
npx --no-install vsce package --no-dependencies --allow-missing-repository --out "$out"
