#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real projects, built in several stages on lazy and on plain bases, and run afterwards by containerd.
. "$(dirname "$0")/lib.sh"
harness_start
command -v npm >/dev/null || skip "no npm: the Node application's package cannot be had"
lazy_start
push_python_image
push "$("$SOURCE/scripts/build-image.sh" toolchain)" plain toolchain:plain
convert toolchain

# project NAME KIND EXPECTED [SOURCE PACKAGE]: KIND is lazy or plain.
project() {
    local name=$1 kind=$2 expected=$3
    build_or_fail --build-arg "BASE=$REGISTRY/toolchain:$kind" --build-arg "RUNTIME=$REGISTRY/python:$kind" \
        -t "$REGISTRY/$name:$kind" --push "$WORK/$name"
    lazy_pull "$name:$kind" >/dev/null 2>&1 || fail "lazybuild pull of $name:$kind"
    expect_equal "output of $name on $kind bases" "$expected" "$(run_default lazy "$name:$kind")"
}

# run_default SNAPSHOTTER REPOSITORY:TAG: the image's own command.
run_default() { run "$@"; }

for name in hello docopt; do
    cp -r "$INTEGRATION/projects/$name" "$WORK/$name"
    cp "$("$SOURCE/scripts/fetch-source.sh" "$name")" "$WORK/$name/"
done
cp -r "$INTEGRATION/projects/node" "$WORK/node"
(cd "$WORK/node" && npm pack --silent semver@6.3.1 >/dev/null) || fail "npm pack"

for kind in lazy plain; do
    project hello "$kind" "Hello, world!"
    project docopt "$kind" "docopt 0.6.2"
    project node "$kind" "1.3.0"
done
expect_nothing_left
