#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a benchmark for a moment: keep_alive.sh COMMAND…. It passes when every measurement in it could be made.
set -euo pipefail
. "$(dirname "$0")/../scripts/lib.sh"

status=0
output=$("$@" --benchmark_min_time=0.01 2>&1) || status=$?
printf '%s\n' "$output"
[ "$status" = 0 ] || exit "$status"
! grep -q 'ERROR OCCURRED' <<<"$output" || die "a measurement could not be made (see above)"
