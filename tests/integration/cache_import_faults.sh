#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A registry that dies, lies, forgets or wants another token while a cache is read: what cannot be had is made again,
# and the build is right.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
cache_behind_link
expect_right "the cache" --cache-to "$CACHE,mode=max,strict=true"

inject '[{"path": "/v2/cache/", "skip": 2, "times": 1, "do": "expire"}]'
expect_right "a token that ends" --cache-from "$CACHE"
expect_step CACHED 'RUN wc -l < /numbers > /count'

for fault in '"do": "close"' '"do": "status", "status": 503' '"do": "cut", "bytes": 60' \
    '"do": "corrupt", "offset": 40'; do
    inject "[{\"method\": \"GET\", \"path\": \"/v2/cache/\", $fault}]"
    expect_right "an import that meets $fault" --cache-from "$CACHE"
    grep -q "$LINK/cache" "$WORK/build.log" || fail "nothing was said of $fault: $(cat "$WORK/build.log")"
    # The index is read, the layers are not.
    inject "[{\"method\": \"GET\", \"path\": \"/v2/cache/\", \"skip\": 2, $fault}]"
    expect_right "layers that meet $fault" --cache-from "$CACHE"
done

missing=0
for blob in $(manifest cache:1 | jq -r '.layers[].digest'); do
    mv "$(blob_file "$blob")" "$WORK/blob"
    expect_right "without $blob" --cache-from "$CACHE"
    ! grep -q "^WARNING: .*$blob" "$WORK/build.log" || missing=$((missing + 1))
    ! grep -E '^#[0-9]+ ERROR' "$WORK/build.log" || fail "a build that succeeds shows an error"
    mv "$WORK/blob" "$(blob_file "$blob")"
done
[ "$missing" -gt 0 ] || fail "no warning named a blob that was missing"

# A build that has found all it needs before the cache has answered does not wait for it, nor does one that has failed.
expect_right "a build before the silence"
inject '[{"method": "GET", "path": "/v2/cache/", "do": "stall"}]'
timeout 30 "$LAZYBUILD" build --root "$WORK/store" --authfile "$WORK/auth.json" --cache-from "$CACHE" \
    -o type=cacheonly "$WORK/context" || fail "a build that is all there waited for a silent cache: $?"
echo 'FRMO x' >"$WORK/wrong"
expect_exit 1 timeout 30 "$LAZYBUILD" build --root "$WORK/store" --authfile "$WORK/auth.json" --cache-from "$CACHE" \
    -f "$WORK/wrong" "$WORK/context"
inject '[]'
expect_nothing_left
