#!/usr/bin/env bash
# mkroot.sh: makes the read-only root that disposable hosts boot from: a small Debian with systemd, D-Bus, sshd, cron,
# logrotate and sudo, no network names, and as its only apt sources the repositories below /opt/stead-tests (see mkrepo.sh), one
# of which holds the distribution's own nginx. Does nothing when the root is there already and of this recipe.
#
#   STEAD_TEST_ROOT   where the root is         (/var/cache/stead-tests/root)
#   STEAD_TEST_SUITE  which release it holds    (this machine's own if it is a Debian, else bookworm)
# The mirror is the one this machine's apt uses for that release, else debootstrap's own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${STEAD_TEST_ROOT:-/var/cache/stead-tests/root}
suite=${STEAD_TEST_SUITE:-$(. /etc/os-release; [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-bookworm}" || echo bookworm)}
include=systemd,systemd-sysv,dbus,openssh-server,cron,logrotate,adduser,sudo,tzdata,procps,iproute2,init-system-helpers,passwd
export LC_ALL=C.UTF-8

stamp=$( (echo "$suite"; cat "$here/mkroot.sh" "$here/mkrepo.sh") | sha256sum | cut -d' ' -f1)
is_current() { [ "$(cat "$root.stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$root/lib/systemd/systemd" ]; }
is_current && exit 0
die() { echo "mkroot: $*" >&2; exit 1; }
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
echo "mkroot: making $root ($suite); log: $log"

step() { "$@" >>"$log" 2>&1 </dev/null || { tail -20 "$log" >&2; die "failed: $*"; }; }
: > "$log"
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk -v s="$suite" '$1 == s { print $2; exit }' || true)
proxy=$(apt-config shell p Acquire::http::Proxy 2>/dev/null | sed -n "s/^p='\(.*\)'$/\1/p" || true)
if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=$proxy; fi
step debootstrap --variant=minbase --include="$include" "$suite" "$work" ${mirror:+"$mirror"}

# The distribution's nginx with what it needs, fetched but not installed: the hosts have no network.
in_root() { step env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$work" "$@"; }
cp -L /etc/resolv.conf /etc/hosts "$work/etc/"
in_root apt-get -q update
in_root apt-get -q clean
in_root apt-get -q -y --no-install-recommends --download-only install nginx
mkdir -p "$work/opt/stead-tests/debian"
mv "$work"/var/cache/apt/archives/*.deb "$work/opt/stead-tests/debian/"
for deb in "$work"/opt/stead-tests/debian/*%3a*.deb; do [ ! -e "$deb" ] || mv "$deb" "${deb//%3a/_}"; done

step "$here/mkrepo.sh" "$work/opt/stead-tests"
rm -rf "$work"/var/lib/apt/lists/* "$work"/etc/apt/sources.list.d/*; : > "$work/etc/apt/sources.list"
for name in repo debian; do echo "deb [trusted=yes] file:///opt/stead-tests/$name ./"; done > "$work/etc/apt/sources.list.d/stead-tests.list"
: > "$work/etc/resolv.conf"; printf '127.0.0.1 localhost\n::1 localhost\n' > "$work/etc/hosts"
sed -i 's/^hosts:.*/hosts: files/' "$work/etc/nsswitch.conf"
in_root apt-get -q update
in_root apt-get clean
rm -f "$work"/etc/ssh/ssh_host_* "$work"/etc/machine-id "$work"/var/log/*.log "$work"/var/log/apt/*; : > "$work/etc/machine-id"

rm -rf "$root"; mv "$work" "$root"
echo "$stamp" > "$root.stamp"
echo "mkroot: done, $(du -sh "$root" | cut -f1)"
