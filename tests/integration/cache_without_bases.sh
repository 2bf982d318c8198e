#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A local cache holds every layer, bases included: it is enough when the bases' registries are gone. A registry cache
# holds what its policy says, and says at export what it does not. Layers that are partly here change nothing.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
mkdir "$WORK/context"
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $BASE_B AS build
RUN echo stable > /stable
ARG BUST=0
RUN echo "\$BUST" > /bust && cat /stable /bust /etc/passwd > /combined
FROM $BASE_A
RUN cat /etc/os-release > /release
COPY --from=build /combined /combined
RUN cat /combined /release /etc/hostname > /all
DOCKERFILE

# Bytes of the bases are fetched before the cache is written: what /etc/os-release takes, not more.
build_or_fail -o type=cacheonly --cache-to "$(cache_to local),mode=max" "$WORK/context"
build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=max" "$WORK/context"
grep -qF "; 1 base layer stays in $OTHER_REGISTRY" "$WORK/build.log" ||
    fail "the export does not say that a base stays where it is: $(cat "$WORK/build.log")"
"$LAZYBUILD" cache prune --root "$WORK/store" >/dev/null
build_or_fail -o type=cacheonly --cache-from "$(cache_from registry)" "$WORK/context"
expect_step CACHED 'RUN echo stable > /stable'

# Without the other registry, from the registry cache: a warning, and what is passed through is not needed.
other_registry_stop
fresh_runner
build_or_fail -o type=cacheonly --cache-from "$(cache_from registry)" "$WORK/context"
expect_step CACHED 'RUN cat /combined /release /etc/hostname > /all'
grep -q "$OTHER_REGISTRY" "$WORK/build.log" || fail "nothing says that $OTHER_REGISTRY did not answer"

# Without any registry, from the local cache, and with a step that reads the bases.
registry_stop
fresh_runner
build_or_fail -o "type=oci,tar=false,dest=$WORK/out" --build-arg BUST=2 --cache-from "$(cache_from local)" \
    "$WORK/context"
expect_step CACHED 'RUN echo stable > /stable'
expect_step CACHED 'RUN cat /etc/os-release > /release'
expect_step DONE 'RUN cat /combined /release /etc/hostname > /all'

# And without any cache: an error that names a base.
fresh_runner
! build_image -o type=cacheonly "$WORK/context" || fail "built without its bases"
grep -qE "^lazybuild build: ($REGISTRY|$OTHER_REGISTRY)/[a-z]+:" "$WORK/build.log" ||
    fail "no base is named: $(tail -n 1 "$WORK/build.log")"
expect_nothing_left
