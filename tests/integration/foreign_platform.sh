#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# RUN for another platform: an error that says what is missing where no emulator is registered; with one, an image of
# that platform, and an index of several from one Dockerfile whose steps for the builder's own platform run natively.
. "$(dirname "$0")/lib.sh"
harness_start
[ "$(uname -m)" = x86_64 ] || skip "the images of this test are for amd64 and arm64"
registry_start
dpkg-deb --fsys-tarfile "$("$SOURCE/scripts/fetch-binary.sh" busybox-static arm64)" | tar -xC "$WORK" ./bin/busybox
mkdir "$WORK/context"

# The base: two images, and the index over them, which we make ourselves.
"$SOURCE/tests/builder/base_image.py" "$WORK/amd64"
"$SOURCE/tests/builder/base_image.py" "$WORK/arm64" arm64 "$WORK/bin/busybox"
push "$WORK/amd64" latest base:amd64
push "$WORK/arm64" latest base:arm64
printf 'ARG TARGETARCH\nFROM %s/base:$TARGETARCH\nCOPY Dockerfile /\n' "$REGISTRY" >"$WORK/context/Dockerfile"
build_or_fail --platform linux/amd64,linux/arm64 --force-compression -t "$REGISTRY/base:lazy" --push "$WORK/context"

cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM --platform=\$BUILDPLATFORM $REGISTRY/base:lazy AS native
RUN uname -m >/native
FROM $REGISTRY/base:lazy
RUN uname -m >/machine && id -u >>/machine
COPY --from=native /native /
DOCKERFILE
if [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
    ! build_image --platform linux/arm64 -o type=cacheonly "$WORK/context" || fail "ran without an emulator"
    grep -q 'linux/arm64 cannot run on linux/amd64: install qemu-user-static' "$WORK/build.log" ||
        fail "the error does not say what to do: $(tail -n 5 "$WORK/build.log")"
    expect_nothing_left
fi
emulator_start

build_or_fail --platform linux/arm64 -t "$REGISTRY/app:arm64" -o type=registry -o "type=local,dest=$WORK/one" \
    "$WORK/context"
expect_equal "machine" "aarch64 0" "$(xargs <"$WORK/one/machine")"
expect_equal "architecture" arm64 \
    "$(skopeo inspect --override-arch arm64 --tls-verify=false "docker://$REGISTRY/app:arm64" | jq -r .Architecture)"

build_or_fail --platform linux/amd64,linux/arm64 -t "$REGISTRY/app:1" -o type=registry \
    -o "type=local,dest=$WORK/both" "$WORK/context"
expect_equal "platforms of the index" "amd64 arm64" \
    "$(manifest app:1 | jq -r '.manifests[].platform.architecture' | sort | xargs)"
expect_equal "machines" "x86_64 0 aarch64 0" \
    "$(xargs <"$WORK/both/linux_amd64/machine") $(xargs <"$WORK/both/linux_arm64/machine")"
expect_equal "native machines" "x86_64 x86_64" "$(cat "$WORK"/both/*/native | xargs)"
expect_nothing_left
