#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An image that nobody converted cannot be served lazily: the pull falls back to a full one, says so, and the
# container runs on the same snapshotter.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image
forget_requests

lazy_pull python:plain >"$WORK/pull.out" 2>&1 || fail "pull: $(cat "$WORK/pull.out")"
cat "$WORK/pull.out" "$WORK/snapshotter.log" | grep -qi 'full pull' || fail "nothing says that this was a full pull"
[ "$(bytes_served)" -ge "$(compressed_bytes python:plain)" ] || fail "not every layer was fetched"
expect_equal "output" 1 "$(import_numpy lazy python:plain)"

# Lazy and plain images live side by side.
lazy_pull python:lazy
expect_equal "output of the lazy image" 1 "$(import_numpy lazy python:lazy)"
registry_stop
expect_equal "output of the plain image without a registry" 1 "$(import_numpy lazy python:plain)"
