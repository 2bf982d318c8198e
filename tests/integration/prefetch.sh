#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The files that an image was told to put first come with one request when the layer is mounted, and reading
# them afterwards asks the registry for nothing.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
printf '%s\n' usr/bin/python3.11 usr/lib/python3.11/os.py >"$WORK/first"
push_python_image --prioritize "$WORK/first"

digest=$(manifest python:lazy | jq -r '.layers[1].digest')
landmark=$("$INTEGRATION/estargz_peek.py" "$(blob_file "$digest")" | jq .prefetch_end)
[ "$landmark" -gt 1000000 ] || fail "the landmark stands at $landmark: nothing was put first"
forget_requests
lazy_pull python:lazy

# prefetches: the requests of that layer that a prefetch can be: as long as the range in front of the landmark.
prefetches() { requests "(.uri | endswith(\"$digest\")) and .status == 206 and .bytes >= $landmark"; }
prefetched() { [ -n "$(prefetches)" ]; }
wait_until 20 prefetched || fail "no request for the $landmark bytes in front of the landmark: $(requests)"
expect_equal "requests for the range in front of the landmark" 1 "$(prefetches | wc -l)"
before=$(requests "(.uri | endswith(\"$digest\")) and .bytes < $landmark" | wc -l)
[ "$before" -le 2 ] || fail "$before small requests for one layer: the range came in pieces"
