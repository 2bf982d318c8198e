#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A step that runs although there is a cache says why. Above all: with an inline cache (or mode=min) the layers of
# earlier stages were never uploaded, so that a changed COPY makes a RUN before it run again. And contexts that differ
# by .git, times and droppings of editors are told apart by name.
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
build_or_fail -o "type=local,dest=$WORK/out" --explain --cache-from "$(cache_from registry)" "$WORK/context"
expect_step CACHED 'RUN echo installed > /installed'
expect_step DONE 'COPY dummy /dummy'
expect_equal "the file that was copied" two "$(cat "$WORK/out/dummy")"
grep -q 'dummy.*changed' "$WORK/build.log" || fail "not said that dummy has changed: $(cat "$WORK/build.log")"

fresh_runner
build_or_fail -o type=cacheonly --explain --cache-from "$REGISTRY/app:1" "$WORK/context"
expect_step DONE 'RUN echo installed > /installed (again'
grep -q 'mode=max' "$WORK/build.log" || fail "not said what to do: $(cat "$WORK/build.log")"

# The same sources, on another machine.
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $BASE_B
COPY . /src
RUN ls /src > /list
DOCKERFILE
git -C "$WORK/context" init -q
build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=max" "$WORK/context"
fresh_runner
touch -d '2 days ago' "$WORK/context/dummy"
build_or_fail -o type=cacheonly --explain --cache-from "$(cache_from registry)" "$WORK/context"
expect_step CACHED 'RUN ls /src > /list'
echo '[user]' >>"$WORK/context/.git/config"
touch "$WORK/context/dummy~"
build_or_fail -o type=cacheonly --explain --cache-from "$(cache_from registry)" "$WORK/context"
grep -q '\.git/config' "$WORK/build.log" || fail ".git is not named: $(cat "$WORK/build.log")"
grep -q 'dummy~' "$WORK/build.log" || fail "dummy~ is not named: $(cat "$WORK/build.log")"
grep -q 'dockerignore' "$WORK/build.log" || fail "not said what to do: $(cat "$WORK/build.log")"
expect_nothing_left
