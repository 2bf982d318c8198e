#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fetch-source.sh PACKAGE: the upstream archive of a Debian bookworm source package, from this machine's mirror; apt
# checks its signature. Prints its path, below $LAZYBUILD_CACHE (build/cache).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

package=${1:?usage: fetch-source.sh PACKAGE}
cache=${LAZYBUILD_CACHE:-$PWD/build/cache}/sources/$package
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 300 9 || die "another download has held $cache/lock for five minutes"

fetch() {
    local work=$cache/work
    rm -rf "$work"
    mkdir -p "$work"
    apt_apart "$work" deb-src
    apt-get "${APT_APART[@]}" update >&2
    (cd "$work" && apt-get "${APT_APART[@]}" source --download-only --tar-only "$package" >&2)
    mv "$work"/*.orig.tar.* "$cache"
    rm -rf "$work"
}

compgen -G "$cache/*.orig.tar.*[a-z2]" >/dev/null || phase "source of $package" fetch >&2
find "$cache" -maxdepth 1 -name '*.orig.tar.*' ! -name '*.asc' | sort | head -n 1
