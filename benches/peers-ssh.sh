#!/usr/bin/env bash
# peers-ssh.sh DIR: makes DIR a virtual environment with Ansible and pyinfra, for `ssh.py --peers-venv DIR`.
# Needs a Python of 3.11 or newer with venv (PYTHON), and the network.
set -euo pipefail
venv=${1:?DIR}
[ ! -e "$venv" ] || { echo "peers-ssh: $venv is there already" >&2; exit 1; }
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check ansible-core pyinfra
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(ansible-core|pyinfra) '
