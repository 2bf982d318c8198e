#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lazybuild mount: the image, file by file what containerd unpacks, out of a registry and out of a layout, with no
# daemon; its process ends with the last user of the mount, and what a killed one leaves is taken away.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image
root=$WORK/state

mount_image() { timeout 60 "$LAZYBUILD" mount --root "$root" "$@" || fail "mount $*"; }
umount_image() { timeout 30 "$LAZYBUILD" umount --root "$root" "$@"; }
nothing_served() { ! pgrep -f -- "--foreground.*--root $root" && [ -z "$(ls "$root/mounts" | grep -v lock)" ]; }

begin=$(date +%s)
mkdir "$WORK/a" "$WORK/b"
mount_image "$REGISTRY/python:lazy" "$WORK/a"
[ "$(chroot "$WORK/a" python3 -c 'print(6 * 7)')" = 42 ] || fail "python does not run in it"
skopeo copy --quiet --src-tls-verify=false "docker://$REGISTRY/python:lazy" "oci:$WORK/layout:lazy"
mount_image "oci:$WORK/layout:lazy" "$WORK/b"
full_pull python:plain
view overlayfs python:plain "$WORK/unpacked"
for mounted in a b; do
    "$INTEGRATION/compare_trees.py" --made-after "$begin" "$WORK/unpacked" "$WORK/$mounted" || fail "$mounted differs"
done

# In use, it stays; out of the tree but in use, it is still served.
exec 8<"$WORK/a/usr/lib/os-release"
expect_exit 1 umount_image "$WORK/a"
umount -l "$WORK/a"
sleep 1
grep -q Debian <&8 || fail "a detached mount was not served on"
exec 8<&-
umount "$WORK/b"
wait_until 20 nothing_served || fail "the serving processes did not end: $(ls "$root"/mounts)"

# A killed server: reads fail, umount cleans up, and the next mount is fine.
mount_image "$REGISTRY/python:lazy" "$WORK/a"
pkill -KILL -f -- "--foreground.*--root $root" || fail "nothing to kill"
umount_image "$WORK/a"
nothing_served || fail "the killed server's state was left"
expect_exit 1 "$LAZYBUILD" mount --root "$root" "$REGISTRY/python:plain" "$WORK/a"
grep -q 'convert' <<<"$OUTPUT" || fail "the plain image's error does not help: $OUTPUT"
expect_exit 1 "$LAZYBUILD" mount --root "$root" "$REGISTRY/python:lazy" "$WORK/none"
expect_exit 1 umount_image "$WORK/b"
nothing_served || fail "failed mounts left something"
