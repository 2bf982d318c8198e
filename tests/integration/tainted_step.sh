#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A command that was given an I/O error by its base has no result, whatever its exit code; COPY of what is damaged fails
# too. When the base is whole again, the same build succeeds and is right.
. "$(dirname "$0")/lib.sh"
harness_start
registry_start
"$SOURCE/tests/builder/base_image.py" "$WORK/base"
mkdir -p "$WORK/data"
head -c 3000000 /dev/urandom >"$WORK/data/random"
printf 'FROM base\nCOPY random /random\n' >"$WORK/data/Dockerfile"
build_or_fail --build-context "base=oci-layout://$WORK/base:latest" -t "$REGISTRY/base:lazy" --push "$WORK/data"
rm -rf "$WORK/store"
blob=$(blob_file "$(manifest base:lazy | jq -r '.layers[1].digest')")

mkdir "$WORK/run" "$WORK/copy"
printf 'FROM %s/base:lazy\nRUN cp /random /copied || true\n' "$REGISTRY" >"$WORK/run/Dockerfile"
printf 'FROM scratch\nCOPY --from=%s/base:lazy /random /copied\n' "$REGISTRY" >"$WORK/copy/Dockerfile"

"$INTEGRATION/flip_byte.py" "$blob" 1500000
for what in run copy; do
    ! build_image -o "type=oci,tar=false,dest=$WORK/$what.out" "$WORK/$what" || fail "$what: built on damaged bytes"
    [ ! -e "$WORK/$what.out" ] || fail "$what: a failed build left an image"
    say "$what: $(grep -m 1 '^lazybuild build' "$WORK/build.log")"
done
"$INTEGRATION/flip_byte.py" "$blob" 1500000
for what in run copy; do
    build_or_fail -o "type=local,dest=$WORK/$what.files" "$WORK/$what"
    cmp "$WORK/data/random" "$WORK/$what.files/copied" || fail "$what: other bytes"
done

# A registry that is gone is an error in reasonable time, and nothing is left.
rm -rf "$WORK/store"
build_or_fail -o type=cacheonly "$WORK/copy"
registry_stop
build_or_fail -o "type=local,dest=$WORK/offline" "$WORK/copy"
cmp "$WORK/data/random" "$WORK/offline/copied" || fail "other bytes without the registry"
printf 'FROM %s/other:1\n' "$REGISTRY" >"$WORK/run/Dockerfile"
! build_image -o type=cacheonly "$WORK/run" || fail "built on an image that cannot be had"
expect_nothing_left
