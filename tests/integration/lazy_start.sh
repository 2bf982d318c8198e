#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A container starts on a fraction of its image's bytes; afterwards every layer is filled and verified, and
# the next container needs no registry.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image
forget_requests
drop_caches

lazy_pull python:lazy
expect_equal "output" 1 "$(import_numpy lazy python:lazy)"
served=$(bytes_served)
whole=$(compressed_bytes python:lazy)
say "bytes until the first output: $served of $whole"
[ $((served * 3)) -lt "$whole" ] || fail "$served bytes is not less than a third of $whole"

wait_for_fill 3
expect_equal "distinct diffIDs in the log" 3 \
    "$(grep 'msg="layer complete"' "$WORK/snapshotter.log" | grep -o 'diff_id=[^ ]*' | sort -u | wc -l)"
registry_stop
drop_caches
expect_equal "output without a registry" 1 "$(import_numpy lazy python:lazy)"
