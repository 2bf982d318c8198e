#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages named in packages.txt. When all are there it does nothing and needs neither
# root nor a network, so that every other script may call it first.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

wanted_packages() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' packages.txt; }

# not_installed: the wanted packages that dpkg does not know as installed.
not_installed() {
    local installed
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u)
    comm -23 <(wanted_packages | sort -u) <(printf '%s\n' "$installed")
}

# Services of the distribution would take ports and sockets that nobody asked them to take: the programs
# are wanted, not running daemons. A policy that the machine already has is left alone.
keep_services_stopped() {
    local policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq ||
        die "apt-get update failed: no package source of this machine can be reached (see the lines above)"
    keep_services_stopped
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        die "apt-get install failed: $*"
}

command -v apt-get >/dev/null || die "apt-get is missing: these scripts know Debian 12 only"
mapfile -t packages < <(not_installed)
[ "${#packages[@]}" -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || die "packages are missing and only root can install them: ${packages[*]}"
grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release ||
    say "note: this is not Debian 12 (bookworm); the package names below are Debian 12's"
say "installing: ${packages[*]}"
install "${packages[@]}"
