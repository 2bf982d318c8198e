#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A cache of 10,000 records, with an index of more than a mebibyte, is written and read as a small one is: by a fresh
# runner in two requests, of which every step is a hit. Of a cache of 120 MB only what is read is fetched.
. "$(dirname "$0")/lib.sh"
harness_start
registry_start
"$INTEGRATION/many_steps.py" "$WORK/many" many
build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=max" --cache-to "$(cache_to local),mode=max" \
    "$WORK/many"
steps=$(grep -oE '^#[0-9]+ \[.*\] COPY' "$WORK/build.log" | sort -u | wc -l)
for kind in registry local; do
    cache_config "$kind" >"$WORK/config"
    records=$(jq '.records | length' "$WORK/config")
    size=$(stat -c %s "$WORK/config")
    say "$kind: $steps steps, $records records, an index of $size bytes"
    [ "$records" -ge 10000 ] && [ "$size" -gt $((1 << 20)) ] || fail "the cache is not large"
    expect_equal "records with their layers" "$records" "$(jq '[.records[] | select(.layers)] | length' "$WORK/config")"
    fresh_runner
    forget_requests
    build_or_fail -o type=cacheonly --cache-from "$(cache_from "$kind")" "$WORK/many"
    expect_equal "hits of a fresh runner" "$steps" "$(cached_steps)"
    asked=$(requests '.method != "HEAD"' | wc -l)
    [ "$asked" -le 3 ] || fail "$asked requests for an import: $(requests)"
done
forget_requests
build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=max" --cache-from "$(cache_from registry)" \
    "$WORK/many"
expect_equal "uploads of what is there" "" "$(requests '.method != "GET" and .method != "HEAD"')"
[ "$(requests | wc -l)" -le 6 ] || fail "$(requests | wc -l) requests to export what is there: $(requests)"

"$INTEGRATION/many_steps.py" "$WORK/large" large
build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=max" --cache-to "$(cache_to local),mode=max" \
    "$WORK/large"
for kind in registry local; do
    fresh_runner
    forget_requests
    build_or_fail --build-arg FILE=77 -o "type=local,dest=$WORK/out" --cache-from "$(cache_from "$kind")" "$WORK/large"
    expect_equal "hits before the step that is new" 200 "$(cached_steps)"
    cmp "$WORK/large/f/77" "$WORK/out/77" || fail "the file is another one"
    served=$(bytes_served)
    kept=$(du -sk "$WORK/store" | cut -f 1)
    say "$kind: of 120 MB the registry sent $served bytes, the store has $kept KiB"
    # Most of it are the ends of 200 layers, 64 KiB each, where their indexes are.
    [ "$served" -lt 16000000 ] && [ "$kept" -lt 12000 ] || fail "too much was fetched of the $kind cache"
done
expect_nothing_left
