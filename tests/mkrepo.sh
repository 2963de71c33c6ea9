#!/usr/bin/env bash
# mkrepo.sh OUT: builds the small packages that the tests install, as flat apt repositories below OUT:
#   OUT/repo        everything but demo-tool; the hosts have it configured and indexed
#   OUT/repo-extra  demo-tool, for tests that add a repository
# The same input gives the same bytes. Needs dpkg-deb only.
#
#   demo-lib    1.0             a file; demo-web depends on it
#   demo-web    2.1             conffile, empty conf.d, system user, a unit that its postinst enables and starts
#   demo-old    0.9             conffile, data and a running unit; a purge takes all of them away
#   demo-tool   3.3             a program and a conffile
#   demo-multi  1.0, 1.1, 2.0   three versions of one package
#   demo-broken 1.0             its postinst fails for as long as /etc/demo-broken.ok is missing
#   demo-chain-{a,b,c} 1.0      a depends on b, b depends on c
#   demo-left, demo-right 1.0   conflict with each other
#   demo-mta    1.0             provides the virtual package demo-mail-agent
#   demo-idle   1.0             ships a unit and neither enables nor starts it
#   demo-slow   1.0             takes two seconds to configure
set -euo pipefail
umask 022
export SOURCE_DATE_EPOCH=1767225600 LC_ALL=C.UTF-8
mkdir -p "${1:?OUT}"
out=$(cd "$1" && pwd)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
rm -rf "$out/repo" "$out/repo-extra"; mkdir -p "$out/repo" "$out/repo-extra"

# begin NAME VERSION SUMMARY [FIELD: VALUE]...: starts a package; its tree is then $tree.
begin() {
  name=$1 version=$2 tree=$work/$1-$2; mkdir -p "$tree/DEBIAN"
  local summary=$3; shift 3
  printf '%s\n' "Package: $name" "Version: $version" "Architecture: all" "Section: misc" "Priority: optional" \
    "Maintainer: Stead tests <tests@example.com>" "$@" "Description: $summary" > "$tree/DEBIAN/control"
}
# ship PATH [MODE]: a file of the package, content from stdin.
ship() { mkdir -p "$(dirname "$tree$1")"; cat > "$tree$1"; chmod "${2:-644}" "$tree$1"; }
conffile() { ship "$1"; echo "$1" >> "$tree/DEBIAN/conffiles"; }
script() { { printf '#!/bin/sh\nset -e\n'; cat; } > "$tree/DEBIAN/$1"; chmod 755 "$tree/DEBIAN/$1"; }
finish() { # [REPOSITORY]
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zgzip -b "$tree" "$out/${1:-repo}/${name}_${version}_all.deb" >/dev/null
}
# daemon NAME [UNIT LINE]...: a program that sleeps, and its unit.
daemon() {
  printf '#!/bin/sh\nexec sleep infinity\n' | ship "/usr/sbin/$1" 755
  printf '%s\n' '[Unit]' "Description=$1" '' '[Service]' "ExecStart=/usr/sbin/$1" "${@:2}" '' \
    '[Install]' 'WantedBy=multi-user.target' | ship "/lib/systemd/system/$1.service"
}
# What debhelper generates for a package with a service, in short.
starts() {
  cat <<S
[ "\$1" = configure ] || exit 0
deb-systemd-helper enable $1.service >/dev/null
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload
  deb-systemd-invoke start $1.service >/dev/null
fi
S
}
stops() { echo "if [ \"\$1\" = remove ] && [ -d /run/systemd/system ]; then deb-systemd-invoke stop $1.service >/dev/null; fi"; }
gone() {
  cat <<S
if [ "\$1" = purge ]; then deb-systemd-helper purge $1.service >/dev/null || true; fi
if [ -d /run/systemd/system ]; then systemctl --system daemon-reload || true; fi
S
}

begin demo-lib 1.0 "what demo-web is built on"
echo "demo-lib 1.0" | ship /usr/share/demo-lib/VERSION
finish

begin demo-web 2.1 "a web server that serves nothing" "Depends: demo-lib, adduser, init-system-helpers"
printf '%s\n' 'listen = 0.0.0.0:80' 'workers = 1' 'root = /usr/share/demo-web' | conffile /etc/demo-web/demo.conf
mkdir -p "$tree/etc/demo-web/conf.d"
daemon demo-web User=demo-web
{ echo '[ "$1" != configure ] || adduser --quiet --system --group --no-create-home --home /nonexistent demo-web'; starts demo-web; } | script postinst
stops demo-web | script prerm
gone demo-web | script postrm
finish

begin demo-old 0.9 "a daemon that has had its day" "Depends: init-system-helpers"
echo 'mode = legacy' | conffile /etc/demo-old/old.conf
daemon demo-old
{ echo 'if [ "$1" = configure ]; then mkdir -p /var/lib/demo-old; echo state > /var/lib/demo-old/state; fi'; starts demo-old; } | script postinst
stops demo-old | script prerm
{ echo 'if [ "$1" = purge ]; then rm -rf /var/lib/demo-old; fi'; gone demo-old; } | script postrm
finish

begin demo-tool 3.3 "a tool for the command line"
printf '#!/bin/sh\necho demo-tool 3.3\n' | ship /usr/bin/demo-tool 755
echo 'color = auto' | conffile /etc/demo-tool/tool.conf
finish repo-extra

for v in 1.0 1.1 2.0; do
  begin demo-multi $v "one of three versions"
  printf '#!/bin/sh\necho demo-multi %s\n' $v | ship /usr/bin/demo-multi 755
  finish
done

begin demo-broken 1.0 "cannot be configured"
echo broken | ship /usr/share/demo-broken/README
script postinst <<'S'
if [ "$1" = configure ] && [ ! -e /etc/demo-broken.ok ]; then
  echo "demo-broken: /etc/demo-broken.ok is missing" >&2
  exit 3
fi
S
finish

begin demo-chain-a 1.0 "first of a chain" "Depends: demo-chain-b (>= 1.0)"
echo a | ship /usr/share/demo-chain/a; finish
begin demo-chain-b 1.0 "second of a chain" "Depends: demo-chain-c"
echo b | ship /usr/share/demo-chain/b; finish
begin demo-chain-c 1.0 "last of a chain"
echo c | ship /usr/share/demo-chain/c; finish

begin demo-left 1.0 "one of two that exclude each other" "Conflicts: demo-right"
echo left | ship /usr/share/demo-left/side; finish
begin demo-right 1.0 "the other of two that exclude each other" "Conflicts: demo-left"
echo right | ship /usr/share/demo-right/side; finish

begin demo-mta 1.0 "provides what no package is called" "Provides: demo-mail-agent"
printf '#!/bin/sh\ncat >/dev/null\n' | ship /usr/sbin/demo-sendmail 755; finish

begin demo-idle 1.0 "ships a unit that waits to be started"
daemon demo-idle
script postinst <<'S'
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then systemctl --system daemon-reload; fi
S
gone demo-idle | script postrm
finish

begin demo-slow 1.0 "takes its time"
echo slow | ship /usr/share/demo-slow/README
echo 'if [ "$1" = configure ]; then sleep 2; fi' | script postinst
finish

# index DIR: makes DIR a flat repository of the packages in it.
index() {
  cd "$1"
  local deb
  for deb in *.deb; do
    dpkg-deb -f "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum < "$deb" | cut -d' ' -f1)"
  done > Packages
  { printf 'Origin: stead-tests\nLabel: stead-tests\nSuite: stable\nCodename: stable\nArchitectures: all amd64 arm64\n'
    date -u -d "@$SOURCE_DATE_EPOCH" '+Date: %a, %d %b %Y %H:%M:%S UTC'
    printf 'SHA256:\n %s %s Packages\n' "$(sha256sum < Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"; } > Release
}
(index "$out/repo"); (index "$out/repo-extra")
# Packages of the distribution that were fetched for the hosts beforehand.
if compgen -G "$out/debian/*.deb" >/dev/null; then (index "$out/debian"); fi
