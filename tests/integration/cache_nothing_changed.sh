#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Steps that change nothing (a WORKDIR that the base has, a RUN that only tests) are in a cache as others are: a fresh
# runner that builds the same asks for no layer and no index of a base. Whoever needs what they made has it, also
# from a cache without its layers: there is nothing in it.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
link_start
mkdir "$WORK/context"
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $LINK/python:lazy AS build
WORKDIR /usr
RUN test -d lib
ARG BUST=0
RUN echo "\$BUST" > /bust
FROM $BASE_B
WORKDIR /bin
COPY --from=build /bust /bust
DOCKERFILE

# base_reads: requests for blobs of the base that are not its config.
base_reads() {
    linked ".path | contains(\"/python/blobs/\") and (contains(\"$CONFIG\") | not)" | wc -l
}

CONFIG=$(manifest python:lazy | jq -r .config.digest)
for mode in max min; do
    fresh_runner
    build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=$mode" "$WORK/context"
    expect_equal "keys of five steps, one of which has two" 6 "$(cache_config registry | jq '.records | length')"
    fresh_runner
    forget_linked
    build_or_fail -o type=cacheonly --cache-from "$(cache_from registry)" "$WORK/context"
    expect_equal "steps that were cached, mode=$mode" 5 "$(cached_steps)"
    expect_equal "reads of a base that no step reads, mode=$mode" 0 "$(base_reads)"

    fresh_runner
    build_or_fail -o type=cacheonly --build-arg BUST=1 --cache-from "$(cache_from registry)" "$WORK/context"
    expect_step CACHED 'WORKDIR /usr'
    expect_step CACHED 'RUN test -d lib'
    expect_step DONE "RUN echo \"\$BUST\" > /bust"
done
expect_nothing_left
