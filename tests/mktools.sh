#!/usr/bin/env bash
# mktools.sh: makes a layer above the hosts' root (mkroot.sh) with programs that only some tests want on a host: git, Python with
# its venv module, gpg. A host of both boots with TESTHOST_ROOT=LAYER:ROOT. Does nothing when the layer is there and of this recipe and root.
#
#   STEAD_TEST_ROOT   where the root is; the layer is beside it, ROOT-tools    (/var/cache/stead-tests/root)
#   STEAD_TEST_SUITE  as for mkroot.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${STEAD_TEST_ROOT:-/var/cache/stead-tests/root}
suite=${STEAD_TEST_SUITE:-$(. /etc/os-release; [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-bookworm}" || echo bookworm)}
packages=(git python3-venv gpg gpg-agent)
export LC_ALL=C.UTF-8

die() { echo "mktools: $*" >&2; exit 1; }
[ -e "$root.stamp" ] || die "there is no root at $root: run tests/mkroot.sh"
layer=$root-tools
stamp=$( (cat "$root.stamp" "$here/mktools.sh") | sha256sum | cut -d' ' -f1)
is_current() { [ "$(cat "$layer.stamp" 2>/dev/null)" = "$stamp" ] && [ -d "$layer/usr" ]; }
is_current && exit 0
[ "$(id -u)" = 0 ] || die "needs root"
# Hosts that run on the layer hold this lock shared.
exec 9>"$layer.lock"; flock 9
is_current && exit 0
work=$layer.new log=$layer.log
cleanup() { ! mountpoint -q "$work/root" || umount -l "$work/root"; rm -rf "$work"; }
trap cleanup EXIT
cleanup
rm -f "$layer.stamp"
mkdir -p "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$work/root"
: > "$log"
step() { "$@" >>"$log" 2>&1 </dev/null || { tail -20 "$log" >&2; die "failed: $*"; }; }
in_root() { step env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$work/root" "$@"; }

# The mirror and the proxy that this machine's apt uses, as in mkroot.sh.
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk -v s="$suite" '$1 == s { print $2; exit }' || true)
proxy=$(apt-config shell p Acquire::http::Proxy 2>/dev/null | sed -n "s/^p='\(.*\)'$/\1/p" || true)
if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=$proxy; fi
etc=$work/root/etc kept=$work/kept
mkdir -p "$kept"
cp -a "$etc/resolv.conf" "$etc/hosts" "$etc/nsswitch.conf" "$etc/apt/sources.list" "$kept/"
cp -L /etc/resolv.conf /etc/hosts "$etc/"
sed -i 's/^hosts:.*/hosts: files dns/' "$etc/nsswitch.conf"
echo "deb ${mirror:-http://deb.debian.org/debian} $suite main" > "$etc/apt/sources.list"
in_root apt-get -q update
in_root apt-get -q -y --no-install-recommends install "${packages[@]}"
cp -a "$kept/resolv.conf" "$kept/hosts" "$kept/nsswitch.conf" "$etc/"; cp -a "$kept/sources.list" "$etc/apt/"
rm -rf "$work"/root/var/lib/apt/lists/*
in_root apt-get -q update
in_root apt-get clean
rm -f "$work"/root/var/log/*.log "$work"/root/var/log/apt/*
umount "$work/root"
rm -rf "$layer"; mv "$work/upper" "$layer"
echo "$stamp" > "$layer.stamp"
echo "mktools: done, $(du -sh "$layer" | cut -f1)"
