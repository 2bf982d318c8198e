#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A registry that answers while its cache is imported, and then is silent, hangs up or fails, is given up once, and not
# for each layer that another registry has, too: the build uses that one, and has every layer.
. "$(dirname "$0")/lib.sh"
harness_start
registry_start
link_start
LAYERS=30
mkdir "$WORK/context"
{
    echo "FROM scratch AS all"
    for layer in $(seq $LAYERS); do
        seq "$layer" 20000 >"$WORK/context/$layer"
        echo "COPY $layer /$layer"
    done
    printf 'FROM scratch\nARG FILE=1\nCOPY --from=all /$FILE /$FILE\n'
} >"$WORK/context/Dockerfile"
echo "*" >"$WORK/context/.dockerignore"
for layer in $(seq $LAYERS); do echo "!$layer"; done >>"$WORK/context/.dockerignore"

for compression in estargz gzip; do
    build_or_fail -o type=cacheonly --cache-to "$(cache_to registry),mode=max,compression=$compression" "$WORK/context"
    for fault in '"do": "stall"' '"do": "close"' '"do": "status", "status": 503'; do
        # All is known, and no layer is opened: the registry is where they are, too.
        fresh_runner
        build_or_fail -o type=cacheonly --cache-from "$(cache_from registry)" "$WORK/context"
        forget_linked
        # The first blob is the index.
        inject "[{\"method\": \"GET\", \"path\": \"/v2/cache/blobs/\", \"skip\": 1, $fault}]"
        rm -rf "$WORK/out"
        build_or_fail --build-arg FILE=7 -o "type=local,dest=$WORK/out" --cache-from "$LINK/cache:1" \
            "$WORK/context"
        expect_equal "steps that were found" "$LAYERS" "$(cached_steps)"
        cmp "$WORK/context/7" "$WORK/out/7" || fail "the file is another one"
        asked=$(linked '.fault != ""' | wc -l)
        say "$compression, $fault: $asked requests in vain for $LAYERS layers"
        [ "$asked" -gt 0 ] && [ "$asked" -lt $((LAYERS / 2)) ] || fail "$asked requests in vain"
    done
done
expect_nothing_left
