#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A cache that is exported with mode=max holds the layers of every stage, whatever lazy bases the stages have and by
# which edge they are reached: a fresh runner with the cache runs what has changed, and nothing else.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
mkdir "$WORK/context"

# Dockerfiles on stdin: BASE_A and BASE_B are arguments, and so is BUST, which the last RUN reads.
ancestors() {
    local name=$1 a=$2 b=$3 kind
    cat >"$WORK/context/Dockerfile"
    for kind in local registry; do
        say "$name, $kind cache"
        rm -rf "$WORK/cache"
        fresh_runner
        set -- --build-arg "A=$a" --build-arg "B=$b" --output type=cacheonly "$WORK/context"
        build_or_fail --build-arg BUST=1 --cache-to "$(cache_to "$kind"),mode=max" "$@"
        cache_config "$kind" | jq -e '(.records | length > 0) and (.records | all(.layers | length > 0))' >/dev/null ||
            fail "$name, $kind: records without layers: $(cache_config "$kind")"
        fresh_runner
        build_or_fail --build-arg BUST=2 --cache-from "$(cache_from "$kind")" "$@"
        expect_step CACHED 'RUN echo stable > /stable'
        expect_step DONE "RUN echo \"\$BUST\" > /bust"
    done
}

TWO_STAGES='ARG A
ARG B
FROM $A AS build
RUN echo stable > /stable
ARG BUST=0
RUN echo "$BUST" > /bust && cat /stable > /combined
FROM $B
'
ancestors "COPY --from" "$BASE_A" "$BASE_B" <<<"$TWO_STAGES"'COPY --from=build /combined /combined'
ancestors "equal bases" "$BASE_A" "$BASE_A" <<<"$TWO_STAGES"'COPY --from=build /combined /combined'
ancestors "plain bases" "$PLAIN_A" "$PLAIN_B" <<<"$TWO_STAGES"'COPY --from=build /combined /combined'
ancestors "mount" "$BASE_A" "$BASE_B" <<<"$TWO_STAGES"'RUN --mount=from=build,target=/m cat /m/combined > /combined'
ancestors "link" "$BASE_A" "$BASE_B" <<<"$TWO_STAGES"'COPY --link --from=build /combined /combined'
ancestors "three stages" "$BASE_A" "$BASE_B" <<<"$TWO_STAGES"'COPY --from=build /combined /combined
RUN cat /combined > /again
FROM $A AS last
COPY --from=1 /again /again'
expect_nothing_left
