#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# containerd's own test suite of a snapshotter passes, through its own client of a proxy plugin: every case mounts
# what the daemon returned, changes files and compares trees. And List understands filters as containerd does.
. "$(dirname "$0")/lib.sh"
command -v go >/dev/null || skip "needs go (package golang-go)"
harness_start
[ -x "$LAZY_SNAPSHOTTER" ] || fail "no lazy-snapshotter at $LAZY_SNAPSHOTTER (set LAZY_SNAPSHOTTER_BIN)"

# The sources are Debian's packages, outside of any Go module; nothing is fetched. The first compilation takes half a
# minute, and is kept.
export GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$SOURCE/build/cache/go GOFLAGS=-p=2 GOPROXY=off CGO_ENABLED=0
(cd "$SOURCE" && go test -vet=off -c -o "$WORK/suite" ./tests/integration/snapshotter_suite) ||
    fail "the suite could not be compiled"

# cases OUTCOME: how many of containerd's cases ended so.
cases() { grep -c "^ *--- $1: TestSnapshotterSuite/" "$WORK/suite.log" || true; }

export LAZY_SNAPSHOTTER
status=0
(cd "$WORK" && TMPDIR=$WORK timeout 150 ./suite -test.v -test.timeout 140s) >"$WORK/suite.log" 2>&1 || status=$?
[ "$status" = 0 ] || {
    grep -v 'level=' "$WORK/suite.log" | tail -n 60 >&2
    fail "the suite ended with exit code $status"
}
# Debian's suite skips Rename whatever the snapshotter is; TestRename stands for it.
expect_equal "cases of the suite that passed, that were skipped" "20, 1" "$(cases PASS), $(cases SKIP)"
grep -q '^ *--- SKIP: TestSnapshotterSuite/Rename ' "$WORK/suite.log" || fail "another case than Rename was skipped"
expect_equal "our own tests that passed" 2 "$(grep -Ec '^--- PASS: Test(Rename|Filters) ' "$WORK/suite.log")"
