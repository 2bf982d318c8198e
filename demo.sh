#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job, on real input, with nothing prepared: installs what is needed, builds, makes a Debian image with
# python3 and numpy in three layers, and starts a container from it through containerd and runc: once after a full
# pull with containerd's own overlayfs snapshotter, once lazily. Prints a table of what each way needed until the
# first output. Then builds an application in two stages on that image, lazily too, pushes it and starts it. Everything
# it starts is private to it and gone afterwards; build/ stays.
set -euo pipefail
cd "$(dirname "$0")"
. scripts/lib.sh
. scripts/checks.sh
. tests/integration/lib.sh

ROUNDS=${DEMO_ROUNDS:-3}

# The harness would skip on a machine that cannot do it; a demo says so and ends.
skip() { die "$*"; }

build() {
    build_preset release all
    cmake --install build/release --prefix "$WORK/usr" >/dev/null
    export LAZYBUILD=$WORK/usr/bin/lazybuild
    export LAZY_SNAPSHOTTER=$WORK/usr/bin/lazy-snapshotter
    export LAZY_KEEPER=$WORK/usr/bin/lazy-keeper
}

publish() {
    registry_start
    push "$IMAGE" plain python:plain
    convert python
    say "published: $(manifest python:plain | jq '.layers | length') layers," \
        "$(compressed_bytes python:plain) bytes plain, $(compressed_bytes python:lazy) bytes eStargz"
}

# fresh_host: containerd and the daemon as if they had never seen an image, and nothing in the page cache.
fresh_host() {
    local old
    containerd_stop
    snapshotter_stop INT
    unmount_below "$WORK/lazy"
    # Set aside, since deleting ten thousand files now would be measured with what comes next.
    old=$(mktemp -d "$WORK/old.XXXXXX")
    mv "$WORK/containerd" "$WORK/lazy" "$WORK/snapshotter.log" "$old" 2>/dev/null || true
    snapshotter_start
    containerd_start
    drop_caches
    forget_requests
}

# measure NAME PULL SNAPSHOTTER REPOSITORY:TAG: appends "NAME seconds bytes" to the results. The container's first
# line of output ends the measurement; that it is 1 is what the image is for.
measure() {
    local name=$1 pull=$2 begin end line=
    shift 2
    fresh_host
    begin=$EPOCHREALTIME
    "$pull" "$2" >"$WORK/$name.log" 2>&1 || fail "$pull: $(tail -n 5 "$WORK/$name.log")"
    exec 7< <(import_numpy "$1" "$2")
    IFS= read -r -t 120 line <&7 || true
    end=$EPOCHREALTIME
    cat <&7 >/dev/null
    exec 7<&-
    [ "$line" = 1 ] || fail "$name: the container printed '$line' instead of 1"
    # An answer is in the registry's log when it is complete, so what was under way has to be waited for.
    [ "$name" != lazy ] || wait_for_fill 3
    echo "$name $(seconds "$begin" "$end") $("$INTEGRATION/bytes_until.py" "$WORK/registry.log" "$end")" |
        tee -a "$WORK/results" >&2
}

seconds() {
    awk -v from="$1" -v to="$2" 'BEGIN {printf "%.2f", to - from}'
}

compare() {
    local i
    for ((i = 0; i < ROUNDS; i++)); do
        measure full full_pull overlayfs python:plain
        measure lazy lazy_pull lazy python:lazy
    done
}

# median NAME COLUMN of the results.
median() {
    awk -v name="$1" -v column="$2" '$1 == name {print $column}' "$WORK/results" | sort -n |
        awk '{value[NR] = $1} END {print value[int((NR + 1) / 2)]}'
}

print_table() {
    local full_s lazy_s full_b lazy_b
    full_s=$(median full 2) lazy_s=$(median lazy 2) full_b=$(median full 3) lazy_b=$(median lazy 3)
    echo
    echo "python3 -c 'import numpy; print(1)', median of $ROUNDS cold runs each, registry on loopback:"
    awk -v fs="$full_s" -v ls="$lazy_s" -v fb="$full_b" -v lb="$lazy_b" 'BEGIN {
        printf "%-28s %26s %26s\n", "", "seconds to first output", "bytes on the wire until it"
        printf "%-28s %26.2f %26d\n", "full pull, overlayfs", fs, fb
        printf "%-28s %26.2f %26d\n", "lazy", ls, lb
        printf "%-28s %26.2f %26.2f\n", "ratio", ls / fs, lb / fb }'
    echo
}

# check_bytes: the claim of the table, for each run and not for the median alone.
check_bytes() {
    local whole most
    whole=$(compressed_bytes python:lazy)
    most=$(awk '$1 == "lazy" {print $3}' "$WORK/results" | sort -n | tail -n 1)
    [ $((most * 3)) -lt "$whole" ] || fail "$most bytes is not less than a third of the image's $whole"
}

# without_registry: every layer came in the background after the last run; the registry is not needed any more.
without_registry() {
    grep 'msg="layer complete"' "$WORK/snapshotter.log"
    registry_stop
    drop_caches
    expect_equal "output of a second container" 1 "$(import_numpy lazy python:lazy)"
    echo "every layer is filled and its diffID verified; with the registry stopped a second container printed 1"
}

# build_application: in two stages on the lazy image, without a daemon and without pulling it; what is pushed starts
# lazily like its base.
build_application() {
    mkdir -p "$WORK/application"
    cat >"$WORK/application/Dockerfile" <<DOCKERFILE
FROM $REGISTRY/python:lazy AS compiled
COPY <<PROGRAM /app/main.py
import numpy
print(int(numpy.ones(3).sum()))
PROGRAM
RUN python3 -m compileall -q /app
FROM $REGISTRY/python:lazy
COPY --from=compiled /app /app
CMD ["python3", "/app/main.py"]
DOCKERFILE
    forget_requests
    build_or_fail -t "$REGISTRY/application:1" --push "$WORK/application"
    echo "a build in two stages on the lazy image fetched $(bytes_served) of its $(compressed_bytes python:lazy) bytes"
    fresh_host
    lazy_pull application:1 >"$WORK/application.log" 2>&1 || fail "pull: $(tail -n 5 "$WORK/application.log")"
    expect_equal "output of the application" 3 "$(run lazy application:1)"
    echo "what it built and pushed, started lazily by containerd, printed 3"
}

[ "$(id -u)" = 0 ] || die "the demo needs root: it mounts, and it runs containerd (sudo ./demo.sh)"
phase "packages" scripts/install-packages.sh
harness_start
phase "build (release)" build
IMAGE=$(python_image)
keeper_start
phase "publish: push, convert to eStargz, push" publish
phase "measure: full pull and lazy, $ROUNDS times each" compare
print_table
check_bytes
without_registry
registry_start
phase "build: an application in two stages on the lazy image" build_application
