#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same sources on another machine are the same: times are in no key. What makes contexts differ from machine to
# machine nevertheless (.git, droppings of editors) is named.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
mkdir -p "$WORK/context"
echo two >"$WORK/context/dummy"
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
says '\.git/config'
says 'dummy~'
says dockerignore
expect_nothing_left
