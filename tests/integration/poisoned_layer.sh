#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An image that lists a genuine image's diffIDs over layers of its own: the fill finds out, and nobody is given that
# content under the genuine name from then on. With trust = "verified" nobody ever is.
. "$(dirname "$0")/lib.sh"
harness_start
export LAZYBUILD_DAEMON_CONFIG=$'[fetch]\nfill_quiet_ms = 500'
lazy_start
log_line() { grep -n -m 1 "$1" "$WORK/snapshotter.log" | cut -d: -f1; }

for name in genuine evil; do
    "$INTEGRATION/poisoned_image.py" "$WORK/$name" "$name"
    push "$WORK/$name" plain "$name:plain"
    convert "$name"
    skopeo copy --quiet --src-tls-verify=false "docker://$REGISTRY/$name:lazy" "oci:$WORK/both:$name"
done
"$INTEGRATION/poisoned_image.py" "$WORK/both" genuine evil poisoned
push "$WORK/both" poisoned poisoned:lazy
lazy_pull poisoned:lazy
view lazy poisoned:lazy "$WORK/poisoned"
wait_until 30 log_line 'layer quarantined' || fail "the fill did not find out"
! cat "$WORK/poisoned/unread" >/dev/null 2>&1 || fail "a quarantined layer is read"
umount "$WORK/poisoned"
expect_exit 1 c snapshot --snapshotter lazy view again "$(chain_ids genuine:lazy)"

# For everybody else, also after a restart: pulled in full, and right.
for NAMESPACE in before-restart after-restart; do
    lazy_pull genuine:lazy 2>&1 | grep ' 1 in full,' || fail "not a full pull"
    view lazy genuine:lazy "$WORK/$NAMESPACE"
    expect_equal "content" genuine "$(cat "$WORK/$NAMESPACE/name")"
    umount "$WORK/$NAMESPACE"
    snapshotter_stop
    snapshotter_start
done

# Where it was pulled, it has to be removed first.
NAMESPACE=default
c image rm --sync "$REGISTRY/poisoned:lazy" >/dev/null
lazy_pull genuine:lazy 2>&1 | grep ' 1 layers lazy,' || fail "the genuine image is not served in the place of the other"

# Verified first: announced only afterwards, and never under a name that it does not have.
NAMESPACE=verified
snapshotter_stop
rm -rf "$WORK/lazy" "$WORK/snapshotter.log"
LAZYBUILD_DAEMON_CONFIG='trust = "verified"' snapshotter_start
lazy_pull evil:lazy 2>&1 | grep ' 1 layers lazy,' || fail "a layer that is what it claims is not lazy"
[ "$(log_line 'layer complete')" -lt "$(log_line 'served lazily')" ] || fail "announced before it was verified"
expect_exit 1 lazy_pull poisoned:lazy
expect_equal "layers served" 1 "$(grep -c 'layer is served lazily' "$WORK/snapshotter.log")"
