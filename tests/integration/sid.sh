# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The builders of Debian sid (scripts/build-peers.sh): dockerd with its BuildKit and image store, and buildah, in a
# mount namespace whose root is theirs. The network is the machine's, so that $REGISTRY is the same registry; $WORK is
# seen there as $WORK. All mounts end with the processes.

# sid_start: needs harness_start. Afterwards: sid COMMAND… runs there.
sid_start() {
    local status=0
    SID=$("$SOURCE/scripts/build-peers.sh" sid) || status=$?
    [ "$status" != 69 ] || skip "no Debian sid from this machine's mirror: there is no BuildKit to compare with"
    [ "$status" = 0 ] || fail "build-peers.sh ended with exit code $status"
    mkdir -p "$WORK/sid"/{root,upper,work,docker,buildah,run}
    unshare --mount --propagation private bash -c "$(declare -f sid_init)"'; sid_init "$@"' sid \
        "$SID" "$WORK" >>"$WORK/sid.log" 2>&1 &
    SID_PID=$!
    wait_until 30 sid docker version || fail "sid's dockerd did not start: $(tail -n 5 "$WORK/sid.log")"
}

# sid_init PEERS DIRECTORY: makes the root, moves into it and becomes dockerd.
sid_init() {
    set -e
    cd "$2/sid"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/sid/upper,workdir=$2/sid/work" root
    mkdir -p root/outside "root$2" root/var/lib/docker root/var/lib/containers root/run
    mount -t proc proc root/proc
    mount --rbind /sys root/sys
    mount --rbind /dev root/dev
    mount -t tmpfs tmpfs root/run
    printf 'root:x:0:0:root:/root:/bin/sh\n' >root/etc/passwd
    printf 'root:x:0:\ndocker:x:999:\n' >root/etc/group
    # Neither builder's storage may lie on an overlay.
    mount --bind docker root/var/lib/docker
    mount --bind buildah root/var/lib/containers
    mount --bind "$2" "root$2"
    cd root
    pivot_root . outside
    exec busybox sh -c 'cd / && busybox umount -l /outside && exec dockerd --iptables=false --ip6tables=false \
        --bridge=none --feature containerd-snapshotter=true --log-level warn'
}

sid() {
    nsenter --target "$SID_PID" --mount "$@"
}

sid_stop() {
    [ -n "${SID_PID:-}" ] || return 0
    stop_process "$SID_PID"
    SID_PID=
}
