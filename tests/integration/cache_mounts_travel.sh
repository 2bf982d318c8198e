#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Cache mounts go along with a cache that is exported with mounts=true: a fresh runner sees their files, fetches those
# that steps read, and exports what has changed. One whose bytes are damaged begins empty.
. "$(dirname "$0")/lib.sh"
harness_start && registry_start && push_busybox >/dev/null && mkdir "$WORK/context"
TO=(--cache-to "$(cache_to registry),mode=max,mounts=true") FROM=(--cache-from "$(cache_from registry)")

# run_with_cache COMMAND FLAGS…: its output is $WORK/out/said.
run_with_cache() {
    local run="RUN --mount=type=cache,target=/c,from=base,source=/tmp mkdir /o; ($1) > /o/said"
    printf 'FROM %s AS base\nFROM base AS run\n%s\nFROM scratch\nCOPY --from=run /o /' "$REGISTRY/busybox:lazy" "$run" \
        >"$WORK/context/Dockerfile"
    build_or_fail --output "type=local,dest=$WORK/out" "${@:2}" "$WORK/context"
}
said() { xargs <"$WORK/out/said"; }
mounts() { cache_config registry | jq -c ".lazybuild.mounts$1"; }

run_with_cache 'cd /c; head -c 30000000 /dev/urandom > big; echo few > small; md5sum < big' "${TO[@]}"
grep -q ', 1 cache mount' "$WORK/build.log"
SUM=$(said) ID=$(mounts '[0].ids[0]')

fresh_runner
forget_requests
run_with_cache 'cat /c/small' "${FROM[@]}" "${TO[@]}"
expect_equal "a small file" few "$(said)"
[ "$(bytes_served)" -lt 3000000 ] || fail "$(bytes_served) bytes fetched for a small file"
expect_equal "the layers of an unchanged mount" "[$ID]" "$(mounts '[0].ids')"
forget_requests
run_with_cache 'cat /c/small' "${TO[@]}"
expect_equal "uploads of what was there" "" "$(requests '.method == "PUT" and (.uri | contains("/blobs/"))')"

run_with_cache 'cd /c; echo more > more; rm small; cat more' "${TO[@]}"
expect_equal "layers of a changed mount" "[$ID,true]" "$(mounts '[0].ids | [.[0], length == 2]')"
cache_config registry | jq -e '.layers[.lazybuild.mounts[0].layer].annotations.size < 10000' >/dev/null
run_with_cache 'ls /c; echo no cache named'
expect_equal "files in the same store" "big more no cache named" "$(said)"
fresh_runner
run_with_cache 'cd /c; echo more > more; rm small; cat more' "${FROM[@]}" "${TO[@]}"
expect_equal "layers of a mount whose step was cached" 2 "$(mounts '[0].ids | length')"
run_with_cache 'cd /c; ls; cat more; md5sum < big' "${FROM[@]}"
expect_equal "files that have travelled" "big more more $SUM" "$(said)"

BLOB=$(cache_config registry | jq -r '.layers[.layers[.lazybuild.mounts[0].layer].parent // 0].blob')
dd if=/dev/zero of="$(blob_file "$BLOB")" bs=1000000 seek=15 count=1 conv=notrunc status=none
fresh_runner
run_with_cache 'cat /c/big > /dev/null; ls /c | wc -l' "${FROM[@]}"
expect_equal "files of a damaged mount" 0 "$(said)"
grep -q 'cache mount /c begins empty' "$WORK/build.log"
expect_nothing_left
