#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Where a cache that compares too little would be wrong: a step that makes the same but for a time, or the same but for
# a link, is another step to those above it; one that makes the same is not. And a digest that a foreign table of
# contents claims for a file makes no record of that file.
. "$(dirname "$0")/lib.sh"
harness_start
registry_start
push_busybox
mkdir -p "$WORK/context" "$WORK/copy"
cat >"$WORK/context/Dockerfile" <<DOCKERFILE
FROM $REGISTRY/busybox:lazy
RUN --mount=type=bind,target=/context sh /context/how
RUN stat -c '%Y %h' /made/a > /seen
DOCKERFILE

# seen HOW COMMANDS…: runs in /made, imports what was written before, and expects the second RUN to be HOW.
seen() {
    local how=$1
    shift
    printf 'mkdir /made && cd /made && %s && touch -d @3 . /\n' "$*" >"$WORK/context/how"
    fresh_runner
    build_or_fail -o "type=local,dest=$WORK/out" --cache-from "$(cache_from local)" \
        --cache-to "$(cache_to local),mode=max" "$WORK/context"
    expect_step DONE 'RUN --mount=type=bind,target=/context sh /context/how'
    expect_step "$how" "RUN stat -c '%Y %h' /made/a > /seen"
    cat "$WORK/out/seen"
}
expect_equal "first" "1 2" "$(seen DONE 'echo x > a && ln a b && touch -d @1 a')"
expect_equal "made in another way" "1 2" "$(seen CACHED 'echo x > b && ln b a && touch -d @1 b')"
expect_equal "another time" "2 2" "$(seen DONE 'echo x > a && ln a b && touch -d @2 a')"
expect_equal "equal copies" "2 1" "$(seen DONE 'echo x > a && echo x > b && touch -d @2 a b')"

# copied FROM FLAGS…: a fresh runner's copy of the file that both have under one digest.
copied() {
    printf 'FROM %s AS files\nFROM scratch\nCOPY --from=files /claimed /copied\n' "$1" >"$WORK/copy/Dockerfile"
    rm -rf "$WORK/out"
    fresh_runner
    build_image -o "type=local,dest=$WORK/out" --build-context "genuine=$WORK/genuine" "${@:2}" "$WORK/copy" &&
        cat "$WORK/out/copied"
}
"$INTEGRATION/crafted_estargz.py" "$WORK/crafted"
push "$WORK/crafted/claiming" lazy claiming:lazy
mkdir "$WORK/genuine"
cp "$WORK/crafted/claimed" "$WORK/genuine"
keep=(--cache-from "$(cache_from local)" --cache-to "$(cache_to local),mode=max")
! copied "$REGISTRY/claiming:lazy" "${keep[@]}" || fail "copied under a digest that is another's"
grep -q '"/copied": its bytes hash to' "$WORK/build.log" || fail "not said what is wrong: $(cat "$WORK/build.log")"
expect_equal "the file that has the digest" "claimed and never there" "$(copied genuine "${keep[@]}")"
expect_step DONE 'COPY --from=files /claimed /copied'
expect_equal "what is looked up" "claimed and never there" "$(copied "$REGISTRY/claiming:lazy" "${keep[@]}")"
expect_step CACHED 'COPY --from=files /claimed /copied'
expect_nothing_left
