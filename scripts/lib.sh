# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script of this repository shares: plain messages, clear endings, phases with their duration.
# Sourced, never run.

# Root by way of su keeps a user's PATH, where runc and mkfs are not.
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE: one line that says what is wrong, and a non-zero end.
die() {
    say "error: $*"
    exit 1
}

# phase NAME COMMAND…: runs COMMAND, says what it is before and how long it took after.
# COMMAND runs as a plain statement: inside a condition the shell would switch `set -e` off in it.
phase() {
    local name=$1 begin=$SECONDS
    shift
    say "== $name"
    "$@"
    say "== $name: $((SECONDS - begin)) s"
}

require_root() {
    [ "$(id -u)" = 0 ] || die "this needs root (mounts, containerd, packages): sudo $0 $*"
}

# missing_commands NAME…: prints those that are not installed.
missing_commands() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null || printf '%s ' "$name"
    done
}

# kernel_lacks: prints what the lazy path needs of the kernel and does not find; nothing when all is there.
kernel_lacks() {
    local filesystem
    [ -c /dev/fuse ] || modprobe -q fuse 2>/dev/null || true
    [ -c /dev/fuse ] || printf '/dev/fuse '
    for filesystem in erofs overlay; do
        grep -qw "$filesystem" /proc/filesystems || modprobe -q "$filesystem" 2>/dev/null || true
        grep -qw "$filesystem" /proc/filesystems || printf 'filesystem:%s ' "$filesystem"
    done
}

# machine_apt_options: the proxies and certificates that this machine's apt was told to use, as lines of apt.conf;
# without them a mirror may be out of reach.
machine_apt_options() {
    apt-config dump | grep -E '^Acquire::(https?|Check-|Retries)' | grep -v ' "";$' || true
}

# apt_apart DIRECTORY TYPE: $APT_APART, options for an apt-get that asks this machine's mirrors of bookworm for packages
# of TYPE (deb, deb-src) and keeps its lists in DIRECTORY, apart from the machine's own.
apt_apart() {
    mkdir -p "$1"/{lists/partial,archives/partial}
    scripts/image/debian_sources.py bookworm | sed "s/^Types: .*/Types: $2/" >"$1/debian.sources"
    APT_APART=(-qq -o "Dir::Etc::SourceList=$1/debian.sources" -o Dir::Etc::SourceParts=-
        -o "Dir::State::Lists=$1/lists" -o "Dir::Cache::Archives=$1/archives" -o Dir::Cache::srcpkgcache=
        -o Dir::Cache::pkgcache= -o APT::Sandbox::User=root)
}

# build_jobs: as many compilers as there are processors, but no more than the memory carries (1.5 GiB each).
build_jobs() {
    local by_memory processors
    processors=$(nproc)
    by_memory=$(awk '/MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
    [ "$by_memory" -ge 1 ] || by_memory=1
    echo $((processors < by_memory ? processors : by_memory))
}

# mounts_below DIRECTORY: the mount points at and under it, the innermost first.
mounts_below() {
    awk -v prefix="$1" '$5 == prefix || index($5, prefix "/") == 1 {print $5}' /proc/self/mountinfo | sort -r
}

unmount_below() {
    local target
    while read -r target; do
        umount "$target" 2>/dev/null || umount -l "$target"
    done < <(mounts_below "$1")
}

# scratch_disk DIRECTORY: gives it an ext4 of its own in one sparse file beside it, so that ten thousand unpacked files
# are gone by removing one (measured: 30 s and more otherwise, where unlinking waits for the disk). Without loop devices
# it stays a plain directory, and everything works all the same.
scratch_disk() {
    truncate -s 16G "$1.img"
    if ! mkfs.ext4 -q -m 0 -E lazy_itable_init=1,nodiscard "$1.img" 2>/dev/null ||
        ! mount -o loop,noatime "$1.img" "$1" 2>/dev/null; then
        rm -f "$1.img"
    fi
}

# remove_scratch DIRECTORY: with whatever is still mounted in it.
remove_scratch() {
    unmount_below "$1"
    rm -rf --one-file-system "$1"
    rm -f "$1.img"
}
