# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The steps of ./test.sh: builds, ctest runs, fuzzing, clang-tidy. Sourced after lib.sh, never run.

VERDICTS=()
FUZZ_SECONDS=${FUZZ_SECONDS:-10}
# clang-tidy takes seconds per file; a change of everything is looked at in a random order for this long.
TIDY_MINUTES_MAX=${TIDY_MINUTES_MAX:-8}

# print_verdicts: the last lines of the output, whatever happened before.
print_verdicts() {
    local status=$?
    trap - EXIT
    [ "$status" = 0 ] || printf '== FAILED (exit code %s)\n' "$status"
    [ "${#VERDICTS[@]}" = 0 ] || printf '%s\n' "${VERDICTS[@]}"
    exit "$status"
}

# host_note: what the machine cannot show; those tests are then skipped, and ctest says so.
host_note() {
    local lacks
    lacks=$(kernel_lacks)
    [ "$(id -u)" = 0 ] || lacks+="root "
    [ -z "$lacks" ] || say "note: this machine lacks: $lacks- the tests that need it will be skipped"
}

# build_preset PRESET TARGET…: configures and builds in build/PRESET. The variable LAZYBUILD_BENCH=ON adds the
# benchmarks to the dev build, where each is a test that runs for a moment.
build_preset() {
    local preset=$1 options=()
    shift
    if command -v ccache >/dev/null; then
        options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
        export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}  # else tests are never in it
    fi
    [ "$preset" != dev ] || options+=("-DLAZYBUILD_BENCH=${LAZYBUILD_BENCH:-OFF}")
    # Errors go to stderr; what was found, and where, is only worth reading by hand.
    cmake --preset "$preset" "${options[@]}" >/dev/null || die "cmake could not configure the preset $preset"
    cmake --build "build/$preset" --parallel "$(build_jobs)" --target "$@"
}

# run_tests PRESET [CTEST OPTION…]: keeps ctest's verdict for the end of the output.
run_tests() {
    local preset=$1
    shift
    run_ctest "$preset" "build/$preset" "$@"
}

# run_tests_below PRESET DIRECTORY…: the tests registered in these directories only.
run_tests_below() {
    local preset=$1 directory
    shift
    for directory in "$@"; do
        run_ctest "$preset ${directory##*/}" "build/$preset/$directory"
    done
}

run_ctest() {
    local name=$1 directory=$2 status=0 log line
    shift 2
    log=$directory/ctest.log
    ctest --test-dir "$directory" --output-on-failure --no-tests=error --parallel "$(nproc)" "$@" 2>&1 |
        tee "$log" || status=$?
    VERDICTS+=("$name: $(grep -E '^[0-9]+% tests passed' "$log" || echo 'ctest did not finish')")
    # What failed or was skipped, with ctest's reason.
    while read -r line; do VERDICTS+=("    $line"); done < <(
        sed -En 's/^[[:space:]]+([0-9]+ - .* \(.*\)).*/\1/p' "$log" | sort -u
    )
    return "$status"
}

# fuzz_all: every libFuzzer target for $FUZZ_SECONDS, two at a time, from its seeds and into a scratch corpus.
fuzz_all() {
    local targets
    mapfile -t targets < <(fuzz_targets)
    [ "${#targets[@]}" -gt 0 ] || die "there is no fuzz target"
    build_preset fuzz "${targets[@]}"
    printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} scripts/fuzz-one.sh {} "$FUZZ_SECONDS" || {
        VERDICTS+=("fuzz: FAILED, see the output above")
        return 1
    }
    VERDICTS+=("fuzz: ${#targets[@]} targets for $FUZZ_SECONDS s each, nothing found")
}

# fuzz_targets: the dev build knows them all, since it replays their seeds.
fuzz_targets() {
    ctest --test-dir build/dev --show-only --label-regex '^fuzz$' | sed -n 's/^ *Test *#[0-9]*: //p'
}

# tidy_changed: clang-tidy over the C++ files that differ from where this work began.
tidy_changed() {
    local files
    mapfile -t files < <(changed_sources)
    [ "${#files[@]}" -gt 0 ] || {
        say "no C++ source changed"
        return
    }
    TIDY_UNTIL=$(($(date +%s) + TIDY_MINUTES_MAX * 60))
    export TIDY_UNTIL
    printf '%s\n' "${files[@]}" | shuf | xargs -P "$(nproc)" -I{} scripts/tidy-one.sh {}
    say "${#files[@]} changed sources"
}

# changed_sources: .cc files to look at; for a header, the source beside it. New files count as changed.
changed_sources() {
    {
        git diff --name-only "$(comparison_base)"
        git ls-files --others --exclude-standard
    } | sed -n 's/\.h$/.cc/; /\.cc$/p' | grep -Ev '^tests/' | sort -u | while read -r file; do
        # Only what the build knows can be compiled, and so checked.
        [ ! -e "$file" ] || ! grep -qF "/$file\"" build/dev/compile_commands.json || echo "$file"
    done
}

# comparison_base: where the branch left the main line; on the main line itself, the commit before; for a history
# of one commit, the empty tree, that is everything.
comparison_base() {
    local base
    base=$(git merge-base HEAD origin/HEAD 2>/dev/null || git merge-base HEAD origin/main 2>/dev/null || true)
    [ -n "$base" ] && [ "$base" != "$(git rev-parse HEAD)" ] ||
        base=$(git rev-parse --verify --quiet HEAD~1 || git hash-object -t tree /dev/null)
    echo "$base"
}
