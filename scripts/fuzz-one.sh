#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs one libFuzzer target of build/fuzz: fuzz-one.sh TARGET SECONDS. New inputs go to a scratch corpus; what makes
# the target fail stays in build/fuzz/found, named in the output, to become a seed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

target=$1
seconds=$2
program=$(find build/fuzz -type f -name "$target" -perm -u+x | head -n 1)
[ -n "$program" ] || die "$target is not built"
seeds=tests/fuzz/corpus/${target#fuzz_}
scratch=build/fuzz/corpus/$target
log=build/fuzz/$target.log
mkdir -p "$scratch" build/fuzz/found

# A longer limit than the time to run is no limit: a single input may take five seconds.
"$program" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$target-" "$scratch" "$seeds" >"$log" 2>&1 || {
    tail -n 60 "$log" >&2
    die "$target failed; the input is in build/fuzz/found"
}
say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
