#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy for one source: tidy-one.sh FILE. With $TIDY_UNTIL (seconds since 1970) in the past it leaves the file
# for a later run and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

if [ "$(date +%s)" -ge "${TIDY_UNTIL:-9999999999}" ]; then
    say "not looked at, the time is up: $1"
    exit 0
fi
clang-tidy-19 --quiet -p build/dev "$1" 2>/dev/null || die "clang-tidy: $1"
