#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A blob that two repositories have is fetched once: from two caches that name it, and from a cache and a base.
. "$(dirname "$0")/lib.sh"
harness_start
registry_start
mkdir "$WORK/context"
for layer in 1 2 3; do
    head -c 400000 /dev/urandom >"$WORK/context/$layer"
done
# The stage has the layers of app:1, which is pushed from it.
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM scratch AS all
COPY 1 /1
COPY 2 /2
COPY 3 /3
FROM scratch AS other
ARG PATHS=/1
COPY --from=all \$PATHS /
FROM $REGISTRY/app:1 AS base
FROM other AS both
COPY --from=base /1 /2 /base/
DOCKERFILE
build_or_fail --target all -t "$REGISTRY/app:1" --push "$WORK/context"
for repository in cache second; do
    build_or_fail --target other -o type=cacheonly --cache-to "type=registry,ref=$REGISTRY/$repository:1,mode=max" \
        "$WORK/context"
done
layers=$(manifest app:1 | jq -c '[.layers[].digest]')
expect_equal "layers that the cache and the image share" 3 \
    "$(manifest cache:1 | jq --argjson layers "$layers" '[.layers[].digest | select(IN($layers[]))] | length')"

# fetched FLAGS…: how often each of these layers is asked for by a fresh runner, and the bytes of it.
fetched() {
    fresh_runner
    forget_requests
    build_or_fail -o "type=local,dest=$WORK/out" --build-arg PATHS=/[12] "$@" "$WORK/context"
    cmp "$WORK/context/2" "$WORK/out/2" || fail "the file is another one"
    requests '.method == "GET"' | jq -s -c --argjson layers "$layers" 'map(.blob = (.uri | split("/") | last))
        | map(select(.blob | IN($layers[]))) | group_by(.blob) | map([length, (map(.bytes) | add)])'
}
once=$(fetched --target other --cache-from "$REGISTRY/cache:1")
say "[requests, bytes] of each layer: $once"
[ "$(jq length <<<"$once")" = 3 ] || fail "the layers are not lazy: $once"
expect_equal "what two caches cost" "$once" \
    "$(fetched --target other --cache-from "$REGISTRY/cache:1" --cache-from "$REGISTRY/second:1")"
expect_equal "what a cache and a base cost" "$once" "$(fetched --target both --cache-from "$REGISTRY/cache:1")"
expect_equal "what a base and two caches cost" "$once" \
    "$(fetched --target both --cache-from "$REGISTRY/second:1" --cache-from "$REGISTRY/cache:1")"
