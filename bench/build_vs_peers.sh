#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lazybuild build beside BuildKit (dockerd of Debian sid, its daemon warm) and buildah, on the same Dockerfile: 10
# steps in 3 stages, a context of 2,000 files. In turns, ROUNDS (3) times; medians. Needs root.
#   again     nothing has changed since the last build
#   one file  one source file has changed
#   no cache  everything runs
#   copy      COPY of 50,000 small files, written as eStargz (ours) and as gzip (BuildKit); neither has seen them before
# Bases come from a registry on this machine, and have been resolved before.
. "$(dirname "$0")/../tests/integration/lib.sh"
BENCH=$SOURCE/bench
ROUNDS=${ROUNDS:-3}
FILES=${FILES:-50000}

make_project() {
    python3 - "$WORK/project" "$WORK/many" "$FILES" <<'PYTHON'
import os, sys
project, many, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for i in range(2000):
    directory = os.path.join(project, "src", f"part{i % 40}")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, f"file{i}.c"), "w", encoding="utf-8") as file:
        file.write(f"int f{i}(void) {{ return {i}; }}\n" * 40)
for i in range(count):
    directory = os.path.join(many, "data", f"{i % 250}")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, f"{i}.txt"), "w", encoding="utf-8") as file:
        file.write(f"small file number {i}\n" * (1 + i % 30))
PYTHON
    cat >"$WORK/project/Dockerfile" <<'DOCKERFILE'
ARG REGISTRY
FROM ${REGISTRY}/busybox:1 AS tools
RUN mkdir -p /opt/tools && echo tool >/opt/tools/tool
RUN echo more >>/opt/tools/tool
FROM ${REGISTRY}/busybox:1 AS build
WORKDIR /work
COPY --from=tools /opt/tools /opt/tools
COPY src /work/src
RUN cat src/*/*.c | sha256sum >/work/sum
RUN find src -name '*.c' | wc -l >/work/count
FROM ${REGISTRY}/busybox:1
RUN mkdir -p /app
COPY --from=build /work/sum /work/count /app/
ENV APP=/app
CMD ["cat", "/app/sum"]
DOCKERFILE
    printf 'FROM scratch\nCOPY data /data\n' >"$WORK/many/Dockerfile"
}

# measured NAME COMMAND…
measured() {
    local name=$1
    shift
    "$BENCH/measure.py" --append "$WORK/$name.times" "$@" >"$WORK/$name.log" 2>&1 ||
        fail "$name: $(tail -n 5 "$WORK/$name.log")"
}

ours() {
    local name=$1
    shift
    measured "ours-$name" "$LAZYBUILD" build --root "${STORE:-$WORK/store}" --build-arg "REGISTRY=$REGISTRY" \
        --progress plain "$@"
}

# The time of the client, which waits for its daemon.
buildkit() {
    local name=$1
    shift
    measured "buildkit-$name" nsenter --target "$SID_PID" --mount docker buildx build --provenance=false \
        --network host --build-arg "REGISTRY=$REGISTRY" --progress plain "$@"
}

buildah() {
    local name=$1
    shift
    measured "buildah-$name" nsenter --target "$SID_PID" --mount buildah build --layers --isolation chroot \
        --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --tls-verify=false --build-arg "REGISTRY=$REGISTRY" "$@"
}

change_a_file() {
    echo "int changed_$RANDOM$RANDOM;" >>"$WORK/project/src/part7/file7.c"
}

# each NAME FLAGS…: all three builders, their turn changing with the round.
each() {
    ours "$@" -t bench:ours "$WORK/project"
    buildkit "$@" -t bench:buildkit "$WORK/project"
    [ "$1" = no-cache ] || buildah "$@" -t bench:buildah "$WORK/project"
}

copy_many() {
    rm -rf "$WORK/copy-ours" "$WORK/copy-buildkit" "$WORK/copy-store"
    sid docker buildx prune --all --force >/dev/null 2>&1
    STORE=$WORK/copy-store ours copy --no-cache -o "type=oci,tar=false,dest=$WORK/copy-ours" "$WORK/many"
    buildkit copy --no-cache -o "type=oci,tar=false,compression=gzip,force-compression=true,dest=$WORK/copy-buildkit" \
        "$WORK/many"
}

# median NAME: seconds.
median() {
    [ -e "$WORK/$1.times" ] || return 0
    sort -g "$WORK/$1.times" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

print_table() {
    local name ours_s buildkit_s buildah_s
    for name in again one-file no-cache copy; do
        ours_s=$(median "ours-$name") buildkit_s=$(median "buildkit-$name") buildah_s=$(median "buildah-$name")
        echo "build, $name, median of $ROUNDS: ours $ours_s s, BuildKit $buildkit_s s, buildah ${buildah_s:--} s:" \
            "$(awk -v a="$ours_s" -v b="$buildkit_s" 'BEGIN {printf "%.2f", a / b}') of BuildKit's"
    done
}

harness_start
registry_start
sid_start
"$SOURCE/tests/builder/base_image.py" "$WORK/base"
push "$WORK/base" latest busybox:1
make_project
each no-cache --no-cache
rm -f "$WORK"/*.times
for ((i = 0; i < ROUNDS; i++)); do
    each no-cache --no-cache
    each again
    change_a_file
    each one-file
    copy_many
done
print_table
