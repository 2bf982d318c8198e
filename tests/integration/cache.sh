# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What tests of the build cache share: lazy bases in two registries, caches in a directory or a registry, and what a
# build's log and a written cache say. After build.sh.

# cache_bases: $BASE_A (Debian with python3, lazy) in $REGISTRY; $BASE_B (busybox, lazy) in $OTHER_REGISTRY; and the
# same as plain gzip layers, $PLAIN_A and $PLAIN_B.
cache_bases() {
    registry_start
    other_registry_start
    push_python_image
    "$SOURCE/tests/builder/base_image.py" "$WORK/busybox"
    "$LAZYBUILD" convert "oci:$WORK/busybox" "$OTHER_REGISTRY/busybox:lazy" --format estargz >/dev/null
    REGISTRY=$OTHER_REGISTRY push "$WORK/busybox" latest busybox:plain
    BASE_A=$REGISTRY/python:lazy PLAIN_A=$REGISTRY/python:plain
    BASE_B=$OTHER_REGISTRY/busybox:lazy PLAIN_B=$OTHER_REGISTRY/busybox:plain
}

# cache_to KIND / cache_from KIND: a cache of that kind (local or registry), called "cache".
cache_to() {
    [ "$1" = local ] && echo "type=local,dest=$WORK/cache,strict=true" ||
        echo "type=registry,ref=$REGISTRY/cache:1,strict=true"
}

cache_from() {
    [ "$1" = local ] && echo "type=local,src=$WORK/cache" || echo "type=registry,ref=$REGISTRY/cache:1"
}

# fresh_runner: the next build knows nothing.
fresh_runner() {
    rm -rf "$WORK/store"
}

# cache_config KIND: the cacheconfig of the cache.
cache_config() {
    local digest
    if [ "$1" = local ]; then
        digest=$(jq -r '.manifests[0].digest' "$WORK/cache/index.json")
        digest=$(jq -r .config.digest "$WORK/cache/blobs/sha256/${digest#sha256:}")
        cat "$WORK/cache/blobs/sha256/${digest#sha256:}"
    else
        digest=$(manifest cache:1 | jq -r .config.digest)
        cat "$(blob_file "$digest")"
    fi
}

# step_ended TEXT: how the step whose progress line ends in TEXT ended: CACHED, DONE, ERROR, or nothing.
step_ended() {
    local number
    number=$(grep -F -- "$1" "$WORK/build.log" | grep -oE '^#[0-9]+ ' | head -n 1)
    grep -E "^$number(CACHED|DONE|ERROR)" "$WORK/build.log" | head -n 1 | cut -d ' ' -f 2
}

# expect_step HOW TEXT
expect_step() {
    local how
    how=$(step_ended "$2")
    [ "$how" = "$1" ] || fail "step '$2' was ${how:-not there} instead of $1: $(cat "$WORK/build.log")"
}

# says PATTERN [FILE]: the last build's log, or FILE, has such a line.
says() {
    grep -q -e "$1" "${2:-$WORK/build.log}" || fail "not said: $1: $(cat "${2:-$WORK/build.log}")"
}

# cache_behind_link: $CACHE, a cache in $REGISTRY that is reached by way of a link that wants credentials (link_start).
cache_behind_link() {
    link_start --auth user:secret
    printf '{"auths": {"%s": {"auth": "%s"}}}' "$LINK" "$(printf user:secret | base64)" >"$WORK/auth.json"
    CACHE=type=registry,ref=$LINK/cache:1
    mkdir "$WORK/context"
    cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $BASE_B AS build
RUN seq 1 200000 > /numbers
RUN wc -l < /numbers > /count
FROM $BASE_B
COPY --from=build /count /count
DOCKERFILE
}

# attempt FLAGS…: a fresh runner's build of it.
attempt() {
    fresh_runner
    build_image --authfile "$WORK/auth.json" -o "type=local,dest=$WORK/out" "$@" "$WORK/context"
}

# expect_right WHAT FLAGS…: it succeeds, and makes the right file. Afterwards the link is a good one.
expect_right() {
    local what=$1
    shift
    rm -rf "$WORK/out"
    attempt "$@" || fail "$what: $(tail -n 20 "$WORK/build.log")"
    expect_equal "$what" 200000 "$(cat "$WORK/out/count")"
    inject '[]'
}
