#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killed with SIGKILL at 50 moments, a build leaves no process and no mount, and a store in which the same build
# succeeds and makes the same image as in a fresh one.
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-50}
harness_start
registry_start
push_busybox

mkdir "$WORK/context"
head -c 3000000 /dev/urandom >"$WORK/context/data"
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $REGISTRY/busybox:lazy AS one
COPY data /data/new
RUN for i in 1 2 3 4 5 6; do cp /data/new /data/\$i; sleep 0.02; done
FROM $REGISTRY/busybox:1
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t head -c 1000000 /dev/zero >/c/x; mkdir -p /out; sleep 0.05
COPY --from=one /data /out/data
RUN cat /out/data/* | sha256sum >/out/sum
DOCKERFILE

build() {
    build_image --source-date-epoch 1000000000 \
        -o "type=oci,tar=false,rewrite-timestamp=true,dest=$WORK/$1" "$WORK/context"
}

digest_of() { jq -r '.manifests[0].digest' "$WORK/$1/index.json"; }

begin=$EPOCHREALTIME
build fresh || fail "$(tail -n 15 "$WORK/build.log")"
took=$(awk -v from="$begin" -v to="$EPOCHREALTIME" 'BEGIN {print to - from}')
rm -rf "$WORK/store"
for ((i = 0; i < KILLS; i++)); do
    (trap - ERR; build killed) 2>/dev/null &
    sleep "$(awk -v took="$took" -v seed="$i" 'BEGIN {srand(seed); print rand() * took}')"
    pkill -KILL -f -- "build --root $WORK/store" || true
    wait $! || true
    expect_nothing_left
    # Every fourth time from nothing, so that early moments are met as often as late ones.
    [ $((i % 4)) != 3 ] || rm -rf "$WORK/store"
done
build again || fail "after $KILLS kills: $(tail -n 15 "$WORK/build.log")"
expect_equal "the image after $KILLS kills" "$(digest_of fresh)" "$(digest_of again)"
expect_nothing_left
