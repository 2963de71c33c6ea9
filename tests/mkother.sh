#!/usr/bin/env bash
# mkother.sh: makes the read-only root of another Debian release than mkroot.sh's, with just what ssh and a worker need there.
# Does nothing when it is there already and of this recipe. Exits with 3, and says why, where the mirror does not have that release.
#
#   STEAD_TEST_ROOT   where the root of the other hosts is; this one is beside it, ROOT-other  (/var/cache/stead-tests/root)
#   STEAD_TEST_OTHER  which release it holds                                                   (trixie)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${STEAD_TEST_ROOT:-/var/cache/stead-tests/root}-other
suite=${STEAD_TEST_OTHER:-trixie}
include=systemd,systemd-sysv,dbus,openssh-server,procps,iproute2
export LC_ALL=C.UTF-8

stamp=$( (echo "$suite"; cat "$here/mkother.sh") | sha256sum | cut -d' ' -f1)
is_current() { [ "$(cat "$root.stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$root/lib/systemd/systemd" ]; }
is_current && exit 0
die() { echo "mkother: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root"
command -v debootstrap >/dev/null || die "debootstrap is not installed: run tests/setup"

mkdir -p "$(dirname "$root")"
# Running hosts hold this lock shared: their root is not pulled away from under them.
exec 9>"$root.lock"; flock 9
is_current && exit 0
work=$root.new; log=$root.log
cleanup() { rm -rf "$work"; }
trap cleanup EXIT
rm -rf "$work" "$root.stamp"

# The mirror and the proxy that this machine's apt uses, as in mkroot.sh.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk '/\/debian\/?$/ { print; exit }' || true)
mirror=${mirror:-http://deb.debian.org/debian}
proxy=$(apt-config shell p Acquire::http::Proxy 2>/dev/null | sed -n "s/^p='\(.*\)'$/\1/p" || true)
if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=$proxy; fi
if ! wget -q -T 20 -t 2 -O /dev/null "${mirror%/}/dists/$suite/Release"; then
  echo "mkother: $mirror does not have $suite" >&2; exit 3
fi
# A debootstrap that is older than the release makes it as it makes sid.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
echo "mkother: making $root ($suite); log: $log"
debootstrap --variant=minbase --include="$include" "$suite" "$work" "$mirror" "$script" >"$log" 2>&1 </dev/null \
  || { tail -20 "$log" >&2; die "failed: debootstrap $suite"; }
: > "$work/etc/resolv.conf"; printf '127.0.0.1 localhost\n::1 localhost\n' > "$work/etc/hosts"
sed -i 's/^hosts:.*/hosts: files/' "$work/etc/nsswitch.conf"
rm -rf "$work"/var/lib/apt/lists/* "$work"/var/cache/apt/archives/*.deb
rm -f "$work"/etc/ssh/ssh_host_* "$work"/var/log/*.log "$work"/var/log/apt/*; : > "$work/etc/machine-id"

rm -rf "$root"; mv "$work" "$root"
echo "$stamp" > "$root.stamp"
echo "mkother: done, $(du -sh "$root" | cut -f1)"
