#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A registry that dies, refuses or wants another token while a cache is written: a clear error, and nothing under the
# name; or, when asked for, a warning. Two builds that write one cache at once leave one of the two, whole.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
cache_behind_link

for fault in '"do": "close"' '"do": "status", "status": 500' '"do": "status", "status": 403'; do
    refused="[{\"method\": \"PUT\", \"path\": \"/v2/cache/\", \"skip\": 1, $fault}]"
    inject "$refused"
    ! attempt --cache-to "$CACHE,mode=max" || fail "an export that met $fault succeeded"
    grep -q "$LINK/cache" "$WORK/build.log" || fail "the error names no cache: $(tail -n 5 "$WORK/build.log")"
    expect_equal "a manifest after $fault" 404 \
        "$(curl -s -o "$WORK/null" -w '%{http_code}' "http://$REGISTRY/v2/cache/manifests/1")"
    inject "$refused"
    expect_right "ignore-error with $fault" --cache-to "$CACHE,mode=max,ignore-error=true"
    grep -q "WARNING.*$LINK/cache" "$WORK/build.log" || fail "ignored without a word: $(tail -n 5 "$WORK/build.log")"
done

inject '[{"path": "/v2/cache/", "skip": 4, "times": 1, "do": "expire"}]'
expect_right "a token that ends" --cache-to "$CACHE,mode=max,strict=true"
attempt --cache-from "$CACHE" || fail "the cache cannot be used: $(tail -n 5 "$WORK/build.log")"
expect_step CACHED 'RUN wc -l < /numbers > /count'

for runner in 1 2; do
    "$LAZYBUILD" build --root "$WORK/runner$runner" --authfile "$WORK/auth.json" -o type=cacheonly --progress plain \
        --cache-to "$CACHE,mode=max,strict=true" "$WORK/context" >"$WORK/runner$runner.log" 2>&1 &
    PIDS[runner]=$!
done
for runner in 1 2; do
    wait "${PIDS[runner]}" || fail "one of two exporters: $(tail -n 5 "$WORK/runner$runner.log")"
done
expect_right "the cache of two exporters" --cache-from "$CACHE"
expect_step CACHED 'RUN wc -l < /numbers > /count'

# A directory that is full keeps the cache that it had.
mkdir "$WORK/small"
mount -t tmpfs -o size=512k tmpfs "$WORK/small"
printf 'FROM scratch\nCOPY Dockerfile /\n' >"$WORK/one"
build_or_fail -f "$WORK/one" -o type=cacheonly --cache-to "type=local,dest=$WORK/small/cache" "$WORK/context"
before=$(cat "$WORK/small/cache/index.json")
! build_image -o type=cacheonly --cache-to "type=local,dest=$WORK/small/cache,mode=max" "$WORK/context" ||
    fail "there was room for all: $(tail -n 5 "$WORK/build.log")"
grep -q 'No space left' "$WORK/build.log" || fail "another error: $(tail -n 5 "$WORK/build.log")"
expect_equal "the cache that was there" "$before" "$(cat "$WORK/small/cache/index.json")"
expect_nothing_left
