#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `cache verify` says of a whole cache that it is whole, fetches no layer to say so, and names the blob and the step
# when one blob is gone from the registry, or one byte of a directory has changed; the same for the records of a store.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
mkdir "$WORK/context"
printf 'FROM %s AS build\nRUN seq 1 300000 > /numbers\nRUN wc -l < /numbers > /count\nFROM %s\n%s\n' \
    "$BASE_A" "$BASE_B" 'COPY --from=build /count /count' >"$WORK/context/Dockerfile"
build_or_fail --output type=cacheonly --cache-to "$(cache_to registry),mode=max" \
    --cache-to "$(cache_to local),mode=max" "$WORK/context"

verify() { expect_exit "$1" "$LAZYBUILD" cache verify "${@:2}"; }
expect_output() { grep -qE -- "$1" <<<"$OUTPUT" || fail "no '$1' in: $OUTPUT"; }
BLOB=$(cache_config registry | jq -r '[.records[].layers[0].layer] as $tops | .layers[$tops[0]].blob')

forget_requests
verify 0 --cache-from "$(cache_from registry)"
expect_output ' 0 cannot be had; '
expect_equal "layers fetched" "" "$(requests '.method == "GET" and .bytes > 20000')"
verify 0 --cache-from "$(cache_from registry)" --full
verify 0 --cache-from "$(cache_from local)" --full

mv "$(blob_file "$BLOB")" "$WORK/blob"
verify 1 --cache-from "$(cache_from registry)"
expect_output "^BAD: blob $BLOB .*$REGISTRY/cache: it is not there"
expect_output '^  layer sha256:.* (RUN|COPY) '
mv "$WORK/blob" "$(blob_file "$BLOB")"

"$INTEGRATION/flip_byte.py" "$WORK/cache/blobs/sha256/${BLOB#sha256:}" 100
verify 0 --cache-from "$(cache_from local)"
verify 1 --cache-from "$(cache_from local)" --full
expect_output "^BAD: blob $BLOB "

verify 0 --root "$WORK/store" --full
expect_output '^4 records: 0 have their layers here, 4 elsewhere, 0 have none, 0 cannot be had; ' # bases are lazy
rm -r "$WORK"/store/layers/*
"$LAZYBUILD" cache prune --root "$WORK/store" --filter type=blob >/dev/null 2>&1
verify 0 --root "$WORK/store"
mv "$(blob_file "$BLOB")" "$WORK/blob"
verify 1 --root "$WORK/store"
expect_output "^BAD: blob $BLOB .*$REGISTRY/cache: it is not there"
mv "$WORK/blob" "$(blob_file "$BLOB")"
other_registry_stop
verify 1 --root "$WORK/store" --json
expect_output "\"why\": \"$OTHER_REGISTRY/busybox: "
