# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The harness of the integration tests and of the demo: a real registry, a real containerd and our daemon, all
# private to one script (own directories, sockets and a free loopback port), all gone when the script ends.
#
#   . "$(dirname "$0")/lib.sh"
#   harness_start               everything below $WORK; needs root, FUSE and the peers, else exit 77
#   registry_start              $REGISTRY = 127.0.0.1:PORT        (registry.sh)
#   containerd_start            c … = ctr on it, snapshotter_start = our daemon   (containerd.sh)
#   trixie_start                tc … = stargz-snapshotter's ctr-remote            (trixie.sh)
#   sid_start                   sid … = a command beside sid's dockerd and buildah    (sid.sh)
#
# A test is a script of at most 50 lines that shows one behaviour. Every wait has an end.

set -euo pipefail
# An unexpected end names its place: with `set -e` alone a failed test would say nothing.
set -o errtrace
trap 'printf "FAIL %s:%s: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR

INTEGRATION=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=$(cd "$INTEGRATION/../.." && pwd)
. "$SOURCE/scripts/lib.sh"
. "$INTEGRATION/registry.sh"
. "$INTEGRATION/containerd.sh"
. "$INTEGRATION/trixie.sh"
. "$INTEGRATION/sid.sh"
. "$INTEGRATION/build.sh"
. "$INTEGRATION/cache.sh"

# Where the programs are: ctest says so; by hand the dev build is meant.
LAZYBUILD=${LAZYBUILD_BIN:-$SOURCE/build/dev/builder/cli}/lazybuild
LAZY_SNAPSHOTTER=${LAZY_SNAPSHOTTER_BIN:-$SOURCE/build/dev/snapshotter/service}/lazy-snapshotter
LAZY_KEEPER=${LAZY_KEEPER_BIN:-$SOURCE/build/dev/keeper}/lazy-keeper

# skip REASON: this machine cannot show the behaviour.
skip() {
    say "SKIP: $*"
    exit 77
}

# fail MESSAGE: the behaviour is not there.
fail() {
    say "FAIL: $*"
    exit 1
}

# expect_equal WHAT EXPECTED ACTUAL
expect_equal() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# expect_exit CODE COMMAND…: COMMAND must end with CODE; its output is in $OUTPUT, both streams.
expect_exit() {
    local code=$1 status=0
    shift
    OUTPUT=$("$@" 2>&1) || status=$?
    [ "$status" = "$code" ] || fail "exit code $status instead of $code: $*"$'\n'"$OUTPUT"
}

# wait_until SECONDS COMMAND…: polls until COMMAND succeeds; fails after SECONDS.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

drop_caches() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

# harness_start: checks the machine, makes $WORK and promises to clean it all up.
harness_start() {
    local missing base=${LAZYBUILD_TEST_TMP:-/var/tmp}
    [ "$(id -u)" = 0 ] || skip "needs root"
    missing="$(missing_commands containerd ctr docker-registry skopeo runc jq curl python3)$(kernel_lacks)"
    [ -z "$missing" ] || skip "this machine lacks: $missing"
    # The metadata images may lie neither on tmpfs nor on overlayfs: the kernel will not mount them from there.
    case $(stat -f -c %T "$base") in
        tmpfs | ramfs | overlayfs) skip "$base is a $(stat -f -c %T "$base"); set LAZYBUILD_TEST_TMP to a disk" ;;
    esac
    WORK=$(mktemp -d "$base/lazybuild-test.XXXXXX")
    trap harness_stop EXIT
    scratch_disk "$WORK"
    # Interrupted by hand, the script still cleans up.
    trap 'exit 130' INT TERM HUP
}

# harness_stop: containers first, then who runs them, then the mounts, then the files.
harness_stop() {
    local status=$?
    trap - ERR EXIT
    trap '' INT TERM HUP
    set +e
    containers_kill
    containerd_stop
    trixie_stop
    sid_stop
    snapshotter_end INT || { say "FAIL: lazy-snapshotter ended with exit code $?" && status=1; }
    keeper_stop
    proxy_stop
    link_stop
    registry_stop
    emulator_stop
    other_registry_stop
    [ "$status" = 0 ] || [ "$status" = 77 ] || show_logs
    remove_scratch "$WORK"
    exit "$status"
}

# show_logs: the ends of the logs, so that a failure in CI can be understood from its output alone.
show_logs() {
    local log
    for log in "$WORK"/keeper.log "$WORK"/snapshotter.log "$WORK"/containerd.log; do
        [ -s "$log" ] || continue
        say "-- the end of $(basename "$log"):"
        tail -n "${LAZYBUILD_LOG_LINES:-30}" "$log" >&2
    done
}

# stop_process PID [SECONDS] [SIGNAL]: asks, waits, then makes it stop.
stop_process() {
    kill -"${3:-TERM}" "$1" 2>/dev/null || return 0
    wait_until "${2:-10}" process_is_gone "$1" && return 0
    say "process $1 did not stop by itself"
    kill -KILL "$1" 2>/dev/null
    wait_until 5 process_is_gone "$1"
}

# A process that ended but was not waited for is a zombie, and gone.
process_is_gone() {
    [ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"
}
