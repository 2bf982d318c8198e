#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A build on a lazy base fetches what its steps read; COPY --from of a lazy image is keyed without reading a file; and
# pushing next to the base moves none of its blobs.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image
mkdir "$WORK/context"

cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $REGISTRY/python:lazy
RUN cat /etc/os-release /etc/hostname /etc/issue >/read
DOCKERFILE
forget_requests
build_or_fail -t "$REGISTRY/app:1" --push "$WORK/context"
served=$(bytes_served)
whole=$(compressed_bytes python:lazy)
say "a build that reads three files: $served of $whole bytes"
[ $((served * 20)) -lt "$whole" ] || fail "$served bytes is not less than a twentieth of $whole"
# Blobs of the base: read in ranges for its index and those files, never whole.
for blob in $(manifest python:lazy | jq -r '.layers[].digest'); do
    whole_gets=$(requests '.method == "GET" and .status == 200 and (.uri | contains("'"$blob"'"))' | wc -l)
    expect_equal "GETs of all of $blob" 0 "$whole_gets"
    manifest app:1 | jq -e --arg blob "$blob" '.layers | any(.digest == $blob)' >/dev/null || fail "app:1 lacks $blob"
done

# Also when no step opens it.
echo linked >"$WORK/context/linked"
printf 'FROM %s\nCOPY --link linked /linked\n' "$REGISTRY/python:lazy" >"$WORK/context/Dockerfile"
build_or_fail -t "$REGISTRY/linked:1" --push "$WORK/context"
expect_equal "layers of the base" "$(manifest python:lazy | jq -c '[.layers[].digest]')" \
    "$(manifest linked:1 | jq -c '[.layers[:-1][].digest]')"

cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM scratch
COPY --from=$REGISTRY/python:lazy /usr/bin/python3.11 /python
DOCKERFILE
build_or_fail -o "type=oci,tar=false,dest=$WORK/out" "$WORK/context"
rm -rf "$WORK/store/lazy"
forget_requests
build_or_fail -o "type=oci,tar=false,dest=$WORK/out2" "$WORK/context"
expect_equal "cached steps" 1 "$(cached_steps)"
expect_equal "blob requests of a cache hit" 0 "$(requests '.uri | contains("/blobs/")' | wc -l)"
expect_nothing_left
lazy_pull app:1
expect_equal "output of the pushed image" 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"' \
    "$(run lazy app:1 head -n 1 /read)"
