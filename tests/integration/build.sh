# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# lazybuild build in a store of the script's own.

# build_image FLAGS…: its log is $WORK/build.log.
build_image() {
    "$LAZYBUILD" build --root "$WORK/store" --progress plain "$@" >"$WORK/build.log" 2>&1
}

# build_or_fail FLAGS…
build_or_fail() {
    build_image "$@" || fail "lazybuild build $*: $(tail -n 15 "$WORK/build.log")"
}

# cached_steps: how many steps of the last build were hits.
cached_steps() {
    grep -cE '^#[0-9]+ CACHED' "$WORK/build.log" || true
}

# expect_nothing_left: a build has left no process, mount or cgroup behind.
expect_nothing_left() {
    wait_until 10 nothing_left || fail "left behind: $(grep "$WORK/store" /proc/mounts) $(pgrep -af "$WORK/store")"
}

nothing_left() {
    ! grep -q "$WORK/store" /proc/self/mounts && ! pgrep -f "$WORK/store" >/dev/null
}

# push_busybox: busybox:1 in the registry, a few users and files besides, and busybox:lazy, its eStargz twin.
push_busybox() {
    "$SOURCE/tests/builder/base_image.py" "$WORK/base"
    push "$WORK/base" latest busybox:1
    "$LAZYBUILD" convert "oci:$WORK/base:latest" "docker://$REGISTRY/busybox:lazy" --format estargz 2>/dev/null
}

# emulator_start: from now until the script ends, programs for arm64 run, also in containers ("F" in the handler's
# flags). A handler that the machine has stays as it is.
emulator_start() {
    local handlers=/proc/sys/fs/binfmt_misc handler=/usr/lib/binfmt.d/qemu-aarch64.conf
    [ -e "$handler" ] || skip "no $handler: qemu-user-static is not installed"
    if [ ! -e "$handlers/register" ]; then
        mount -t binfmt_misc binfmt_misc "$handlers" || skip "this kernel has no binfmt_misc"
        EMULATOR_MOUNT=$handlers
    fi
    [ ! -e "$handlers/qemu-aarch64" ] || return 0
    cat "$handler" >"$handlers/register" || skip "binfmt_misc takes no handler"
    EMULATOR=$handlers/qemu-aarch64
}

emulator_stop() {
    [ -z "${EMULATOR:-}" ] || echo -1 >"$EMULATOR"
    [ -z "${EMULATOR_MOUNT:-}" ] || umount "$EMULATOR_MOUNT"
    EMULATOR=
    EMULATOR_MOUNT=
}
