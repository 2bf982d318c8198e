#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A step that runs although there is a cache says why. Above all: with an inline cache (or mode=min) the layers of
# earlier stages were never uploaded, so that a changed COPY makes a RUN before it run again.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
mkdir -p "$WORK/context"
echo one >"$WORK/context/dummy"
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $BASE_B AS s1
RUN echo installed > /installed
FROM s1 AS s2
COPY dummy /dummy
FROM scratch
COPY --from=s2 dummy /dummy
DOCKERFILE

build_or_fail -t "$REGISTRY/app:1" --push --cache-to type=inline --cache-to "$(cache_to registry),mode=max" \
    "$WORK/context"
echo two >"$WORK/context/dummy"
fresh_runner
build_or_fail -o "type=local,dest=$WORK/out" --explain --report "$WORK/report.html" \
    --cache-from "$(cache_from registry)" "$WORK/context"
expect_step CACHED 'RUN echo installed > /installed'
expect_step DONE 'COPY dummy /dummy'
expect_equal "the file that was copied" two "$(cat "$WORK/out/dummy")"
says 'dummy.*changed' "$WORK/build.log"
says "COPY dummy /dummy.*dummy changed (compared with the cache $REGISTRY/cache:1)" "$WORK/report.html"
says ">cached</span><br><span class=\"soft\">from $REGISTRY/cache:1</span>" "$WORK/report.html"

fresh_runner
WHY="known, but the cache in the image $REGISTRY/app:1 is inline: only the image's own layers.*mode=max has all"
"$LAZYBUILD" cache explain --root "$WORK/store" --cache-from "$REGISTRY/app:1" "$WORK/context" \
    >"$WORK/explained" 2>/dev/null || fail "cache explain"
says "would run .*RUN echo installed" "$WORK/explained"
says "$WHY" "$WORK/explained"
build_or_fail -o type=cacheonly --explain --cache-from "$REGISTRY/app:1" "$WORK/context"
expect_step DONE 'RUN echo installed > /installed'
says "$WHY"
says "the inline cache $REGISTRY/app:1 holds no texts of its steps: export one with --cache-to .*mode=max"

# Layers that the imported cache does not have, and one of all is to have, are made again.
echo one >"$WORK/context/dummy"
fresh_runner
build_or_fail -o type=cacheonly --cache-from "$REGISTRY/app:1" \
    --cache-to "type=local,dest=$WORK/cache,mode=max,strict=true" "$WORK/context"
expect_step DONE 'RUN echo installed > /installed (again: its layer is gone)'
expect_nothing_left
