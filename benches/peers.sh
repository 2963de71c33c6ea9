#!/usr/bin/env bash
# peers.sh DIR: makes DIR a small Debian 12 with the tools that Stead is measured beside: Salt and pyinfra (from PyPI, on
# Debian's Python 3.11), Puppet and CFEngine (Debian's own). Nothing is installed on this machine itself.
# Needs root, debootstrap, and a Python 3.11 with pip (PYTHON); takes some minutes, 1 GiB and the network.
set -euo pipefail
root=${1:?DIR}
python=${PYTHON:-python3.11} suite=bookworm salt=3008.5 pyinfra=3.10.0
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
die() { echo "peers: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root"
command -v debootstrap >/dev/null || die "debootstrap is not installed: run tests/setup"
[ ! -e "$root" ] || die "$root is there already"
trap 'rm -rf "$root.new"' EXIT
log=$root.log; : > "$log"
step() { echo "peers: $1"; shift; "$@" >>"$log" 2>&1 </dev/null || { tail -20 "$log" >&2; die "failed: $*"; }; }
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk -v s="$suite" '$1 == s { print $2; exit }' || true)
in_root() { env PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root.new" "$@"; }

step "a Debian root" debootstrap --variant=minbase --include=ca-certificates,python3,python3-apt,cron "$suite" "$root.new" ${mirror:+"$mirror"}
cp -L /etc/resolv.conf /etc/hosts "$root.new/etc/"
printf '#!/bin/sh\nexit 101\n' > "$root.new/usr/sbin/policy-rc.d"; chmod 755 "$root.new/usr/sbin/policy-rc.d"
step "Puppet and CFEngine" in_root apt-get -q -y --no-install-recommends install \
  puppet puppet-module-puppetlabs-stdlib puppet-module-puppetlabs-cron-core cfengine3
in_root apt-get clean

# Salt 3008.5 asks for a certifi newer than the index had when this was written: that one bound is dropped.
requirements='
import importlib.metadata as m, sys
from pip._vendor.packaging.requirements import Requirement
salt = next(m.distributions(name="salt", path=[sys.argv[1]]))
for r in map(Requirement, salt.requires or []):
    if r.marker is None or r.marker.evaluate({"extra": ""}):
        r.marker = None
        print("certifi" if r.name == "certifi" else r)'
into=$root.new/opt
step "Salt" "$python" -m pip install -q --no-deps --target "$into/salt" "salt==$salt"
"$python" -c "$requirements" "$into/salt" > "$into/salt.txt"
step "what Salt needs" "$python" -m pip install -q --target "$into/salt" -r "$into/salt.txt"
step "pyinfra" "$python" -m pip install -q --target "$into/pyinfra" "pyinfra==$pyinfra"
{
  echo "salt $salt"; echo "pyinfra $pyinfra"
  in_root dpkg-query -W -f '${Package} ${Version}\n' puppet cfengine3 python3 ruby
} > "$root.new/opt/versions"
mv "$root.new" "$root"
cat "$root/opt/versions"
