#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is needed, builds, and runs the tests: ./test.sh [--all]
#   plain   the dev build and every test in it (unit, fuzz corpora, integration, style): under 20 minutes
#   --all   also the sanitizer builds, ten seconds of each fuzz target, a moment of each benchmark, clang-tidy over
#           what changed, and the self-containment of every header: under 60 minutes on two processors
# The last lines are ctest's verdicts; the exit code is not 0 when anything failed.
set -euo pipefail
cd "$(dirname "$0")"
. scripts/lib.sh
. scripts/checks.sh

usage() {
    sed -n '3,7s/^# \{0,1\}//p' test.sh
}

dev() {
    phase "configure and build: dev" build_preset dev all
    phase "tests: dev" run_tests dev
}

# asan takes every unit test and corpus, and the main job with both programs; tsan, what has threads of its own and does
# not link gRPC.
sanitizers() {
    phase "configure and build: asan" build_preset asan all
    phase "tests: asan" run_tests asan --label-exclude 'style|integration'
    phase "the main job: asan" run_tests asan --tests-regex '^(lazy_start|gc)$'
    phase "configure and build: tsan" build_preset tsan \
        tests/unit/{keeper,io,store,registry,fuse,layer,layers,exec,export}/all test_codec_{pipeline,plain} test_solve
    phase "tests: tsan" run_tests_below tsan tests/unit/{keeper,io,store,registry,fuse,layer,layers,exec,export}
    phase "tests: tsan, layers that are written, and steps" \
        run_tests tsan --tests-regex '^(codec_(pipeline|plain)|solve)$'
}

all=
case ${1:-} in
    "") ;;
    --all) all=1 LAZYBUILD_BENCH=ON ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac

trap print_verdicts EXIT
phase "packages" scripts/install-packages.sh
host_note
dev
[ -n "$all" ] || exit 0
phase "headers stand alone" build_preset dev all_verify_interface_header_sets
phase "clang-tidy over what changed" tidy_changed
sanitizers
phase "fuzzing" fuzz_all
