#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds like a release, runs every benchmark and prints the ratios: bench/run.sh [--quick|--large]
#   --quick   one round of everything, for a look
#   --large   also the memory for a layer of 310,000 files and for one of 5 GiB (minutes, 20 GiB of disk)
# Needs root and a machine with nothing else to do: look at the load before. Half an hour on two processors.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/checks.sh
require_root "$@"

results=build/bench/results
repetitions=7
export ROUNDS=3 LAZYBUILD_BIN=$PWD/build/bench/builder/cli LAZY_SNAPSHOTTER_BIN=$PWD/build/bench/snapshotter/service
[ "${1:-}" != --quick ] || { repetitions=1 && ROUNDS=1; }

# measure NAME COMMAND…: Google Benchmark's medians, in turns with each other, into $results/NAME.json.
measure() {
    local name=$1
    shift
    "$@" --benchmark_repetitions="$repetitions" --benchmark_enable_random_interleaving=true --benchmark_min_time=0.2 \
        --benchmark_report_aggregates_only=true --benchmark_out="$results/$name.json" --benchmark_out_format=json
}

phase "build" build_preset bench all >&2
rm -rf "$results"
mkdir -p "$results"
say "load before: $(cat /proc/loadavg)"
for program in build/bench/bench/*_bench; do
    name=$(basename "$program")
    through=()
    [ "$name" != read_bench ] || through=(bench/read_bench.sh)
    phase "$name" measure "$name" "${through[@]}" "$program" >"$results/$name.txt" 2> >(tee "$results/$name.log" >&2)
done
phase "mount an image" bench/mount_image.sh >"$results/mount_image.txt"
large=()
[ "${1:-}" != --large ] || large=(--large)
phase "build beside BuildKit and buildah" bench/build_vs_peers.sh >"$results/build.txt"
phase "caches beside BuildKit" bench/cache_vs_buildkit.sh >"$results/cache.txt"
phase "convert" bench/convert_vs_ctr_remote.sh "${large[@]}" >"$results/convert.txt"
bench/report.py "$results"/*.json
echo
# digest_bench says its own ratios: two processes are compared in it.
grep -h 'to one stream' "$results/digest_bench.log" || true
cat "$results/mount_image.txt" "$results/build.txt" "$results/cache.txt" "$results/convert.txt"
