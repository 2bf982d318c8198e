#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Inline caches are reproducible: the image's digest is the same from build to build, on any machine, with and without
# the cache's help; and an unchanged cache in a registry costs no upload and at most three requests in a row.
. "$(dirname "$0")/lib.sh"
harness_start
cache_bases
mkdir "$WORK/context"
echo content >"$WORK/context/file"
touch -d @1000000000 "$WORK/context/file" "$WORK/context"
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $BASE_B AS build
COPY file /file
RUN cat /file > /made && touch -d @1000000000 /made /
FROM $BASE_B
COPY --from=build /made /made
CMD ["cat", "/made"]
DOCKERFILE

# inline_build FLAGS…: the digest of what is pushed.
inline_build() {
    build_or_fail -t "$REGISTRY/app:1" --push --cache-to type=inline --iidfile "$WORK/iid" "$@" "$WORK/context"
    cat "$WORK/iid"
}
first=$(inline_build)
expect_equal "digest of the build that is all cached" "$first" "$(inline_build)"
fresh_runner
expect_equal "digest of a fresh runner's build with the cache" "$first" \
    "$(inline_build --cache-from "$REGISTRY/app:1")"
expect_step CACHED 'COPY --from=build /made /made'
fresh_runner
expect_equal "digest of a fresh runner's build without it" "$first" "$(inline_build)"

for kind in local registry; do
    build_or_fail -o type=cacheonly --cache-to "$(cache_to "$kind"),mode=max" "$WORK/context"
    before=$(cache_config "$kind" | sha256sum)
    fresh_runner
    build_or_fail -o type=cacheonly --cache-to "$(cache_to "$kind"),mode=max" "$WORK/context"
    expect_equal "the $kind cache of another runner" "$before" "$(cache_config "$kind" | sha256sum)"
done

forget_requests
build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=max" "$WORK/context"
expect_equal "uploads of an unchanged cache" "" "$(requests '.method != "GET" and .method != "HEAD"')"
asked=$(requests '.uri | startswith("/v2/cache/")' | wc -l)
[ "$asked" -le 3 ] || fail "$asked requests for an unchanged cache: $(requests)"
