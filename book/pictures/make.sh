#!/usr/bin/env bash
# make.sh [STEAD]: makes the pictures of the page *Editors*: Neovim in a terminal, talking to the real `stead lsp`, on the project `examples/web`.
# STEAD is the program (target/debug/stead). Needs neovim, tmux, node and chromium.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
stead=${1:-$root/target/debug/stead}
out=$root/book/src/editors
scratch=$(mktemp -d)
tmux=(tmux -L "stead-pictures-$$" -f /dev/null)
started=0
trap '"${tmux[@]}" kill-server 2>/dev/null || true; rm -rf "$scratch"' EXIT
cp -r "$root/examples/web" "$scratch/web"
rm -f "$scratch/web/run"
export STEAD_PICTURES_BIN=$stead STEAD_PICTURES_EDITORS=$root/editors HOME=$scratch XDG_CONFIG_HOME=$scratch XDG_STATE_HOME=$scratch LANG=C.UTF-8

# wait_for TEXT: until the terminal shows it.
wait_for() {
  for _ in $(seq 300); do
    if "${tmux[@]}" capture-pane -p | grep -qF -- "$1"; then return; fi
    sleep 0.1
  done
  echo "make.sh: waited in vain for $1" >&2
  "${tmux[@]}" capture-pane -p >&2
  exit 1
}

# picture NAME WIDTH HEIGHT: of what the terminal shows.
picture() {
  sleep 0.5
  "${tmux[@]}" capture-pane -e -p | node "$here/terminal.mjs" >"$scratch/$1.html"
  read -r width height < <(node "$here/terminal.mjs" --size "$2" "$3")
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 --user-data-dir="$scratch/chromium" \
    --window-size="$width,$height" --screenshot="$out/$1.png" "file://$scratch/$1.html" >/dev/null 2>&1
  "${tmux[@]}" kill-server
}

# start WIDTH HEIGHT LINE: Neovim on the project's file, at a line that holds LINE.
start() {
  # A server of its own: the one before may not be gone yet.
  started=$((started + 1))
  tmux=(tmux -L "stead-pictures-$$-$started" -f /dev/null)
  "${tmux[@]}" new-session -d -x "$1" -y "$2" "nvim -u '$here/init.lua' -i NONE '$scratch/web/site.stead'"
  "${tmux[@]}" set -g status off
  "${tmux[@]}" set -sg escape-time 0
  wait_for 'served'
  "${tmux[@]}" send-keys "/$3" Enter
  wait_for "$3"
  # The search leaves its words on the last line.
  "${tmux[@]}" send-keys ':echo' Enter
}

keys() { "${tmux[@]}" send-keys "$@"; }

# A mistake is told while it is typed.
start 104 20 'mode = 0644'
keys 'cw' 'mod' Escape 'zz'
wait_for 'unknown-attribute'
picture diagnostics 104 20

# Completion behind the first letters.
start 104 20 'validate = "nginx'
keys 'o' 'o' C-x C-o
wait_for 'owner'
picture completion 104 20

# What an attribute is.
start 104 20 'validate = "nginx'
keys 'zz' 'K'
wait_for 'temporary file'
picture hover 104 20
ls -l "$out"/*.png
