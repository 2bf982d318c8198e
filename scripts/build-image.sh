#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build-image.sh python|toolchain: an image of real Debian bookworm packages, one plain tar+gzip layer for the base
# and one for each step after it. python: python3, then python3-numpy; the demo and the tests run it. toolchain: what
# the builds of real projects need. Prints the OCI layout's directory (tag: plain).
# Kept under $LAZYBUILD_CACHE (build/cache), so that it is built once: remove that directory to start over.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

codename=bookworm
# One element a layer; more than one package in it makes more than one name.
case ${1:-} in
python) layers=(python3 python3-numpy) ;;
toolchain) layers=("gcc libc6-dev make" "python3 python3-setuptools python3-wheel" nodejs) ;;
*) die "usage: build-image.sh python|toolchain" ;;
esac
cache=${LAZYBUILD_CACHE:-$PWD/build/cache}
recipe=$(cat scripts/build-image.sh scripts/image/*.py | sha256sum | cut -c1-12)
image=$cache/$1-image-$recipe
work=$image.work

# As Debian's own slim images: what a container never reads stays out, in every layer (dpkg keeps the rule).
slim=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright'
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*'
    --dpkgopt='path-exclude=/usr/share/info/*')

# A layer is a copy of the file system after one more package. The packages are downloaded by the apt outside,
# which knows the network, and installed by the one inside, which therefore needs none.
write_hooks() {
    cat >"$work/base.sh" <<HOOK
#!/bin/sh
set -e
rm -f "\$1/etc/apt/apt.conf.d/99mmdebstrap"
cp -ax "\$1" "$work/base"
HOOK
    cat >"$work/packages.sh" <<HOOK
#!/bin/sh
set -e
export DEBIAN_FRONTEND=noninteractive
layer=0
while read -r packages; do
    APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get -qq -y --no-install-recommends --download-only install \$packages
    chroot "\$1" apt-get -qq -y --no-install-recommends --no-download install \$packages </dev/null >/dev/null
    layer=\$((layer + 1))
    cp -ax "\$1" "$work/layer\$layer"
done <<PACKAGES
$(printf '%s\n' "${layers[@]}")
PACKAGES
HOOK
    chmod +x "$work"/*.sh
}

build_trees() {
    local options=() line
    while read -r line; do options+=("--aptopt=$line"); done < <(machine_apt_options)
    write_hooks
    scripts/image/debian_sources.py "$codename" >"$work/debian.sources"
    # No --aptopt may stay in the image (a proxy's password may be in it): the first hook takes the file away.
    TMPDIR=$work mmdebstrap --mode=root --variant=minbase "${slim[@]}" "${options[@]}" \
        --customize-hook="$work/base.sh" --customize-hook="$work/packages.sh" \
        "$codename" /dev/null "$work/debian.sources" </dev/null >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        die "mmdebstrap could not build Debian $codename from this machine's package sources (see above)"
    }
}

build() {
    [ "$(id -u)" = 0 ] || die "building a Debian root file system needs root"
    local missing
    missing=$(missing_commands mmdebstrap apt-get python3)
    [ -z "$missing" ] || die "not installed: $missing(run scripts/install-packages.sh)"
    remove_scratch "$work"
    mkdir -p "$work"
    trap 'remove_scratch "$work"' EXIT
    scratch_disk "$work"
    # mmdebstrap drops its privileges for parts of its work and has to get through to its directory.
    chmod 755 "$cache" "$work"
    build_trees
    scripts/image/layers_from_trees.py "$work/layout" plain "$work/base" "$work"/layer?
    # Under its name all at once: an interrupted copy is no image.
    rm -rf "$image.part"
    cp -r "$work/layout" "$image.part"
    mv "$image.part" "$image"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 600 9 || die "another build of the image has held $cache/lock for ten minutes"
[ -e "$image/index.json" ] || phase "Debian image: $1" build >&2
printf '%s\n' "$image"
