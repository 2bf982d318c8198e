#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A fresh runner with a registry cache, over a line of 20 ms and 200 Mbit/s: lazybuild on eStargz beside BuildKit
# (dockerd of Debian sid, overlayfs, gzip), each with the cache that it wrote itself (mode=max). In turns, ROUNDS (3)
# times; medians of seconds, bytes over the line, both ways. Needs root.
#   late      a late step has changed: its input comes in the last stage
#   nothing   nothing has
# The base images are a gcc toolchain and a Python; the context has 2,000 files; the image is pushed.
. "$(dirname "$0")/../tests/integration/lib.sh"
BENCH=$SOURCE/bench
ROUNDS=${ROUNDS:-3}

make_project() {
    local i
    mkdir -p "$WORK/project/src"
    for i in $(seq 2000); do
        printf 'int f%d(int x) { return x * %d + %d; }\n' "$i" "$i" $((i * 7)) >"$WORK/project/src/f$i.c"
    done
    echo 'print("late")' >"$WORK/project/late.py"
    cat >"$WORK/project/Dockerfile" <<'DOCKERFILE'
ARG REGISTRY
ARG KIND
FROM ${REGISTRY}/toolchain:${KIND} AS build
WORKDIR /work
COPY src /work/src
RUN cat src/*.c >all.c && gcc -O2 -shared -fPIC -o liball.so all.c
RUN head -c 20000000 /dev/urandom >/work/weights && sha256sum weights >weights.sum
FROM ${REGISTRY}/python:${KIND} AS run
RUN python3 -c 'print("prepared")' >/prepared
COPY --from=build /work/liball.so /work/weights /usr/lib/
COPY late.py /app/late.py
RUN python3 /app/late.py >/app/out
CMD ["python3", "/app/late.py"]
DOCKERFILE
}

# measured NAME COMMAND…: the times go to NAME.times, the bytes to NAME.bytes.
measured() {
    local name=$1
    shift
    forget_linked
    "$BENCH/measure.py" --append "$WORK/$name.times" "$@" >"$WORK/$name.log" 2>&1 ||
        fail "$name: $(tail -n 15 "$WORK/$name.log")"
    linked | jq -s 'map(.sent + .received) | add // 0' >>"$WORK/$name.bytes"
}

ours() {
    local name=$1
    shift
    fresh_runner
    measured "ours-$name" "$LAZYBUILD" build --root "$WORK/store" --progress plain --build-arg "REGISTRY=$LINK" \
        --build-arg KIND=lazy -t "$LINK/ours:1" --push "$@" "$WORK/project"
}

buildkit() {
    local name=$1
    shift
    sid docker buildx prune --all --force >/dev/null 2>&1
    sid docker image prune --all --force >/dev/null 2>&1
    measured "buildkit-$name" nsenter --target "$SID_PID" --mount docker buildx build --provenance=false \
        --network host --progress plain --build-arg "REGISTRY=$LINK" --build-arg KIND=plain -t "$LINK/theirs:1" --push \
        "$@" "$WORK/project"
}

# median NAME.WHAT
median() {
    sort -g "$WORK/$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

print_table() {
    local name ours_s ours_bytes s bytes
    for name in late nothing; do
        ours_s=$(median "ours-$name.times") ours_bytes=$(median "ours-$name.bytes")
        s=$(median "buildkit-$name.times") bytes=$(median "buildkit-$name.bytes")
        echo "cache, $name, median of $ROUNDS: ours $ours_s s and $ours_bytes bytes, BuildKit $s s and $bytes bytes:" \
            "$(awk -v a="$ours_s" -v b="$s" -v c="$ours_bytes" -v d="$bytes" \
                'BEGIN {printf "%.2f of its seconds, %.3f of its bytes", a / b, c / d}')"
    done
}

harness_start
registry_start
link_start --rtt-ms 20 --mbit 200
sid_start
push_python_image
push "$("$SOURCE/scripts/build-image.sh" toolchain)" plain toolchain:plain
convert toolchain
make_project
OURS=type=registry,ref=$LINK/cache-ours:1
THEIRS=type=registry,ref=$LINK/cache-theirs:1
ours first --cache-to "$OURS,mode=max"
buildkit first --cache-to "$THEIRS,mode=max"
for ((i = 0; i < ROUNDS; i++)); do
    ours nothing --cache-from "$OURS"
    buildkit nothing --cache-from "$THEIRS"
    echo "print('late $i')" >"$WORK/project/late.py"
    ours late --cache-from "$OURS"
    buildkit late --cache-from "$THEIRS"
    echo 'print("late")' >"$WORK/project/late.py"
done
print_table
