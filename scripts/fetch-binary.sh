#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fetch-binary.sh PACKAGE ARCHITECTURE: a Debian bookworm package of any architecture, from this machine's mirror; apt
# checks its signature. Nothing is installed. Prints the .deb's path, below $LAZYBUILD_CACHE (build/cache).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

package=${1:?usage: fetch-binary.sh PACKAGE ARCHITECTURE}
architecture=${2:?usage: fetch-binary.sh PACKAGE ARCHITECTURE}
cache=${LAZYBUILD_CACHE:-$PWD/build/cache}/binaries/$package-$architecture
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 300 9 || die "another download has held $cache/lock for five minutes"

fetch() {
    local work=$cache/work
    rm -rf "$work"
    mkdir -p "$work"
    apt_apart "$work" deb
    local options=("${APT_APART[@]}" -o "APT::Architecture=$architecture" -o "APT::Architectures::=$architecture"
        -o Dir::State::status=/dev/null)
    apt-get "${options[@]}" update >&2
    (cd "$work" && apt-get "${options[@]}" download "$package:$architecture" >&2)
    mv "$work"/*.deb "$cache"
    rm -rf "$work"
}

compgen -G "$cache/*.deb" >/dev/null || phase "$package for $architecture" fetch >&2
find "$cache" -maxdepth 1 -name '*.deb' | sort | head -n 1
