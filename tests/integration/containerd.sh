# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A private containerd with our daemon as its proxy plugin `lazy`, and the daemon itself.

NAMESPACE=default

# containerd_start: again after containerd_stop, with the same state.
containerd_start() {
    CONTAINERD_SOCKET=$WORK/containerd.sock
    mkdir -p "$WORK/containerd"
    cat >"$WORK/containerd.toml" <<CONFIG
version = 2
root = "$WORK/containerd/root"
state = "$WORK/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$CONTAINERD_SOCKET"
[proxy_plugins.lazy]
  type = "snapshot"
  address = "$WORK/lazy.sock"
CONFIG
    containerd --config "$WORK/containerd.toml" --log-level warn >>"$WORK/containerd.log" 2>&1 &
    CONTAINERD_PID=$!
    wait_until 20 c version || fail "containerd did not start: see $WORK/containerd.log"
}

containerd_stop() {
    [ -n "${CONTAINERD_PID:-}" ] || return 0
    stop_process "$CONTAINERD_PID"
    CONTAINERD_PID=
}

# c ARGUMENTS…: ctr on this containerd.
c() {
    ctr --address "$CONTAINERD_SOCKET" --namespace "$NAMESPACE" "$@"
}

# snapshotter_start [OPTION…]: our daemon on an empty root, or after snapshotter_stop on the one it left; with
# the configuration $LAZYBUILD_DAEMON_CONFIG, TOML text.
snapshotter_start() {
    mkdir -p "$WORK/lazy"
    printf '%s\n' "${LAZYBUILD_DAEMON_CONFIG:-}" >"$WORK/config.toml"
    rm -f "$WORK/lazy.sock" # a killed one's
    "$LAZY_SNAPSHOTTER" --config "$WORK/config.toml" \
        --root "$WORK/lazy" --address "$WORK/lazy.sock" --keeper "$WORK/keeper.sock" "$@" \
        >>"$WORK/snapshotter.log" 2>&1 &
    SNAPSHOTTER_PID=$!
    wait_until 20 test -S "$WORK/lazy.sock" || fail "lazy-snapshotter did not start: see $WORK/snapshotter.log"
    # A containerd that missed the daemon answers with that for a second before it tries again.
    [ -z "${CONTAINERD_PID:-}" ] || wait_until 20 c snapshot --snapshotter lazy list ||
        fail "containerd does not reach lazy-snapshotter"
}

# keeper_start: from now on the daemon finds a keeper. Before snapshotter_start, or lazy_start.
keeper_start() {
    "$LAZY_KEEPER" --socket "$WORK/keeper.sock" >>"$WORK/keeper.log" 2>&1 &
    KEEPER_PID=$!
    wait_until 20 test -S "$WORK/keeper.sock" || fail "lazy-keeper did not start: see $WORK/keeper.log"
}

keeper_stop() {
    [ -n "${KEEPER_PID:-}" ] || return 0
    stop_process "$KEEPER_PID"
    KEEPER_PID=
}

# snapshotter_stop [SIGNAL]: with a keeper, TERM leaves the mounts to the next start, and INT does not. Fails when
# the daemon did not end well, be it a crash or a sanitizer's report.
snapshotter_stop() {
    snapshotter_end "$@" || fail "lazy-snapshotter ended with exit code $? instead of 0"
}

# snapshotter_end [SIGNAL]: the daemon's exit code; 0 when none runs.
snapshotter_end() {
    local pid=${SNAPSHOTTER_PID:-}
    [ -n "$pid" ] || return 0
    SNAPSHOTTER_PID=
    stop_process "$pid" 10 "${1:-TERM}"
    wait "$pid"
}

# lazy_start: everything that a lazy container needs.
lazy_start() {
    [ -x "$LAZYBUILD" ] || fail "no lazybuild at $LAZYBUILD (set LAZYBUILD_BIN)"
    [ -x "$LAZY_SNAPSHOTTER" ] || fail "no lazy-snapshotter at $LAZY_SNAPSHOTTER (set LAZY_SNAPSHOTTER_BIN)"
    registry_start
    snapshotter_start
    containerd_start
}

# python_image: the OCI layout (tag plain) with Debian, python3 and numpy; built once per machine.
python_image() {
    "$SOURCE/scripts/build-image.sh" python
}

# push_python_image / push_entries_image: NAME:plain in the registry, and NAME:lazy, its eStargz twin.
push_python_image() {
    local layout
    layout=$(python_image)
    push "$layout" plain python:plain
    convert python "$@"
}

push_entries_image() {
    "$INTEGRATION/entry_types_image.py" "$WORK/entries" plain
    push "$WORK/entries" plain entries:plain
    convert entries "$@"
}

# convert NAME [OPTION…]: NAME:plain to NAME:lazy, registry to registry.
convert() {
    local name=$1
    shift
    "$LAZYBUILD" convert "docker://$REGISTRY/$name:plain" "docker://$REGISTRY/$name:lazy" --format estargz "$@" \
        >"$WORK/convert.log" 2>&1 || fail "convert $name: $(cat "$WORK/convert.log")"
}

# lazy_pull REPOSITORY:TAG [OPTION…]
lazy_pull() {
    local name=$1
    shift
    "$LAZYBUILD" pull --containerd "$CONTAINERD_SOCKET" --namespace "$NAMESPACE" "$@" "$REGISTRY/$name"
}

# full_pull REPOSITORY:TAG: with containerd's own overlayfs snapshotter.
full_pull() {
    c image pull --plain-http --snapshotter overlayfs "$REGISTRY/$1" >"$WORK/pull.log" 2>&1 || {
        tail -n 5 "$WORK/pull.log" >&2
        return 1
    }
}

# run SNAPSHOTTER REPOSITORY:TAG COMMAND…: a container through containerd and runc; its output on stdout.
run() {
    local snapshotter=$1 image=$REGISTRY/$2
    shift 2
    timeout 120 ctr --address "$CONTAINERD_SOCKET" --namespace "$NAMESPACE" run --rm \
        --snapshotter "$snapshotter" "$image" "run-$BASHPID-$RANDOM" "$@"
}

# import_numpy SNAPSHOTTER REPOSITORY:TAG: the main job; prints 1.
import_numpy() {
    run "$1" "$2" python3 -c 'import numpy; print(1)'
}

# chain_ids REPOSITORY:TAG: the snapshot names of its layers, the bottom first (OCI image-spec, config.md "ChainID").
chain_ids() {
    local config
    config=$(manifest "$1" | jq -r .config.digest)
    curl -fsS "http://$REGISTRY/v2/${1%:*}/blobs/$config" | python3 -c '
import hashlib, json, sys
chain = ""
for diff in json.load(sys.stdin)["rootfs"]["diff_ids"]:
    chain = "sha256:" + hashlib.sha256(f"{chain} {diff}".encode()).hexdigest() if chain else diff
    print(chain)'
}

# view SNAPSHOTTER REPOSITORY:TAG DIRECTORY: the image's file system, read-only, mounted at DIRECTORY.
view() {
    local key mounts
    key=view-$(basename "$3")
    mkdir -p "$3"
    mounts=$(c snapshot --snapshotter "$1" view --target "$3" "$key" "$(chain_ids "$2" | tail -n 1)")
    [ -n "$mounts" ] || fail "no mounts for $2 on $1"
    eval "$mounts"
}

# containers_kill: tasks and containers of this containerd, so that no shim outlives the test.
containers_kill() {
    local task
    [ -n "${CONTAINERD_PID:-}" ] || return 0
    for task in $(c task list --quiet 2>/dev/null); do
        timeout 10 ctr --address "$CONTAINERD_SOCKET" --namespace "$NAMESPACE" task delete --force "$task"
    done >/dev/null 2>&1
    # A shim that lost its containerd keeps running: its command line names our socket.
    for task in $(pgrep -f -- "containerd-shim.*-address $CONTAINERD_SOCKET"); do
        kill -KILL "$task" 2>/dev/null
    done
    return 0
}

# layers_complete: how many layers the daemon's log reports as filled, with their diffID verified.
layers_complete() {
    grep -c 'msg="layer complete"' "$WORK/snapshotter.log" || true
}

# wait_for_fill COUNT [SECONDS]: until COUNT layers are local.
wait_for_fill() {
    wait_until "${2:-60}" enough_layers_complete "$1" ||
        fail "$(layers_complete) of $1 layers were filled after ${2:-60} s"
}

enough_layers_complete() {
    [ "$(layers_complete)" -ge "$1" ]
}

# connection_of_disks: $FUSE_CONNECTION, the directory of the kernel (fusectl) about the daemon's disks.
connection_of_disks() {
    local device
    mkdir -p "$WORK/fusectl"
    mount -t fusectl none "$WORK/fusectl"
    device=$(awk -v target="$WORK/lazy/disks" '$5 == target {print $3}' /proc/self/mountinfo)
    FUSE_CONNECTION=$WORK/fusectl/${device#*:}
    [ -d "$FUSE_CONNECTION" ] || fail "the disks have no FUSE connection"
}

# reads_wait COUNT: at least COUNT requests to the disks are unanswered.
reads_wait() {
    [ "$(cat "$FUSE_CONNECTION/waiting")" -ge "$1" ]
}
