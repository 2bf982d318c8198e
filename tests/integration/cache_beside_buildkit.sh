#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# BuildKit reads our caches, in a registry and inline, without an error; and we read those that it wrote: its keys can
# never be ours, and the import says so.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
sid_start
mkdir "$WORK/context"
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $BASE_B AS build
RUN echo stable > /stable
FROM $BASE_B
COPY --from=build /stable /stable
DOCKERFILE
LOG=$WORK/buildkit.log

buildkit() {
    sid docker buildx build --provenance=false --network host --progress plain "$@" "$WORK/context" >"$LOG" 2>&1 ||
        fail "BuildKit: $(tail -n 10 "$LOG")"
}

build_or_fail -t "$REGISTRY/ours:1" --push --cache-to type=inline --cache-to "$(cache_to registry),mode=max" \
    "$WORK/context"
for ref in cache:1 ours:1; do
    buildkit -t out --cache-from "type=registry,ref=$REGISTRY/$ref"
    grep -q "importing cache manifest from $REGISTRY/$ref" "$LOG" || fail "$ref was not imported: $(cat "$LOG")"
    ! grep -qiE 'error|warn|failed' "$LOG" || fail "$ref: $(grep -iE 'error|warn|failed' "$LOG")"
done

buildkit -t "$REGISTRY/theirs:1" --push --cache-to type=inline \
    --cache-to "type=registry,ref=$REGISTRY/their-cache:1,mode=max"
for ref in their-cache:1 theirs:1; do
    fresh_runner
    build_or_fail -o type=cacheonly --cache-from "$REGISTRY/$ref" "$WORK/context"
    expect_step DONE 'RUN echo stable > /stable'
    grep "$REGISTRY/$ref" "$WORK/build.log" | grep -q BuildKit ||
        fail "$ref: not said whose it is: $(cat "$WORK/build.log")"
done
