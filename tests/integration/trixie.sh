# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# stargz-snapshotter's ctr-remote with a containerd of its own, both of Debian trixie
# (scripts/build-peers.sh), in a mount namespace whose root is theirs. A chroot is not enough for ctr-remote:
# it runs containers in namespaces that it joins, and joining one leaves the chroot. The network is the machine's, so
# that $REGISTRY is the same registry. Nothing of it is mounted outside, and all mounts end with their processes.

# trixie_start: needs harness_start. Afterwards: tc ARGUMENTS… is ctr-remote on trixie's containerd, $TRIXIE the
# directory that it was made from.
trixie_start() {
    local status=0
    TRIXIE=$("$SOURCE/scripts/build-peers.sh" trixie) || status=$?
    [ "$status" != 69 ] || skip "no Debian trixie from this machine's mirror: there is no ctr-remote to test with"
    [ "$status" = 0 ] || fail "build-peers.sh ended with exit code $status"
    mkdir -p "$WORK/trixie"/{root,upper,work,state}
    cat >"$WORK/trixie/state/config.toml" <<CONFIG
version = 2
root = "/state/root"
state = "/state/run"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "/state/containerd.sock"
CONFIG
    unshare --mount --propagation private bash -c "$(declare -f trixie_init)"'; trixie_init "$@"' trixie \
        "$TRIXIE" "$WORK/trixie" >>"$WORK/trixie.log" 2>&1 &
    TRIXIE_PID=$!
    wait_until 20 tc version || fail "trixie's containerd did not start: $(tail -n 5 "$WORK/trixie.log")"
}

# trixie_init PEERS DIRECTORY: makes the root, moves into it and becomes containerd.
trixie_init() {
    set -e
    cd "$2"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" root
    mkdir -p root/state root/outside
    mount -t proc proc root/proc
    mount --rbind /sys root/sys
    mount --rbind /dev root/dev
    # containerd's own files must not lie on an overlay.
    mount --bind state root/state
    cd root
    pivot_root . outside
    exec busybox sh -c 'cd / && busybox umount -l /outside && exec containerd --config /state/config.toml -l warn'
}

trixie_stop() {
    [ -n "${TRIXIE_PID:-}" ] || return 0
    stop_process "$TRIXIE_PID"
    TRIXIE_PID=
}

tc() {
    nsenter --target "$TRIXIE_PID" --mount ctr-remote --address /state/containerd.sock --namespace "$NAMESPACE" "$@"
}

# trixie_fetch REPOSITORY:TAG: the image's blobs into trixie's containerd, not unpacked.
trixie_fetch() {
    tc content fetch --plain-http "$REGISTRY/$1" >"$WORK/trixie-fetch.log" 2>&1 ||
        fail "trixie's containerd cannot fetch $1: $(tail -n 5 "$WORK/trixie-fetch.log")"
}

trixie_push() {
    tc image push --plain-http "$REGISTRY/$1" >"$WORK/trixie-push.log" 2>&1 ||
        fail "trixie's containerd cannot push $1: $(tail -n 5 "$WORK/trixie-push.log")"
}
