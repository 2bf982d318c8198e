#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build-peers.sh trixie|sid: makes a directory to chroot into with what that suite of Debian has of our peers and
# bookworm has not. trixie: ctr-remote, the image converter of stargz-snapshotter, and the containerd that it works
# with. sid: dockerd with its BuildKit, and buildah. Prints the directory.
# Kept under $LAZYBUILD_CACHE (build/cache), so that it is made once; nobody writes into it afterwards.
# Exit code 69: this machine's mirror does not have that suite, or cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

codename=${1:-}
case $codename in
trixie) packages=base-files,busybox-static,stargz-snapshotter,containerd proof=(ctr-remote --version) ;;
sid)
    packages=base-files,bash,busybox-static,ca-certificates,coreutils,crun,runc,docker.io,docker-cli,docker-buildx,buildah,netavark,git,iptables
    proof=(dockerd --version)
    ;;
*) die "usage: build-peers.sh trixie|sid" ;;
esac
cache=${LAZYBUILD_CACHE:-$PWD/build/cache}
recipe=$(cat scripts/build-peers.sh scripts/image/debian_sources.py | sha256sum | cut -c1-12)
peers=$cache/$codename-peers-$recipe
work=$peers.work

unavailable() {
    say "$*"
    exit 69
}

build() {
    local missing options=() line
    [ "$(id -u)" = 0 ] || die "making a directory to chroot into needs root"
    missing=$(missing_commands mmdebstrap apt-get python3)
    [ -z "$missing" ] || die "not installed: $missing(run scripts/install-packages.sh)"
    remove_scratch "$work"
    mkdir -p "$work/root"
    trap 'remove_scratch "$work"' EXIT
    # mmdebstrap drops its privileges for parts of its work and has to get through to its directory.
    chmod 755 "$cache" "$work"
    scripts/image/debian_sources.py --mirror-of bookworm "$codename" >"$work/debian.sources" ||
        unavailable "this machine has no Debian mirror to ask for $codename"
    while read -r line; do options+=("--aptopt=$line"); done < <(machine_apt_options)
    # Extracted is enough: they are Go programs that need a C library and no set-up.
    TMPDIR=$work mmdebstrap --mode=root --variant=extract --include="$packages" "${options[@]}" \
        "$codename" "$work/root" "$work/debian.sources" </dev/null >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        ! grep -q '^E: apt-get update' "$work/log" || unavailable "this machine's mirror cannot give Debian $codename"
        die "mmdebstrap could not extract $packages of Debian $codename (see above)"
    }
    # A proxy's password may be in it.
    rm -f "$work/root/etc/apt/apt.conf.d/99mmdebstrap"
    [ -e "$work/root/usr/bin/sh" ] || ln -s bash "$work/root/usr/bin/sh"
    chroot "$work/root" "${proof[@]}" >/dev/null || die "${proof[0]} does not run in its chroot"
    mv "$work/root" "$peers"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 600 9 || die "another build has held $cache/lock for ten minutes"
[ -e "$peers" ] || phase "chroot with peers of Debian $codename" build >&2
printf '%s\n' "$peers"
