#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A layer must not speak to overlayfs or to the host's security module by xattrs of its own: they are left out, and
# the kernel obeys none of them, with and without the option userxattr. (Those under trusted.* containerd's unpack
# leaves out, too: chains_equal_unpacked.sh has the image "hostile".)
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
"$INTEGRATION/chain_images.py" "$WORK/images" hostile-user
push "$WORK/images/hostile-user" plain hostile:plain
convert hostile
full_pull hostile:plain
view overlayfs hostile:plain "$WORK/unpacked"
lazy_pull hostile:lazy
view lazy hostile:lazy "$WORK/lazy-view"

returned=$(c snapshot --snapshotter lazy view --target /nowhere returned "$(chain_ids hostile:lazy | tail -n 1)")
for option in redirect_dir=nofollow index=off; do
    [[ $returned == *$option* ]] || fail "containerd is told to mount without $option: $returned"
done

# Nothing differs but the xattrs themselves.
expect_exit 1 "$INTEGRATION/compare_trees.py" --made-after 0 "$WORK/unpacked" "$WORK/lazy-view"
expect_equal "differences" "file: xattr opaque: xattr " \
    "$(grep ': expected ' <<<"$OUTPUT" | cut -d: -f1,2 | tr '\n' ' ')"

# The same lower directories as a user namespace would mount them: containerd's obey, ours do not.
for view in unpacked lazy-view; do
    lowers=$(findmnt --noheadings --output FS-OPTIONS "$WORK/$view" | grep -o 'lowerdir=[^ ,]*')
    mkdir "$WORK/$view-user"
    mount -t overlay overlay -o "userxattr,$lowers" "$WORK/$view-user"
done
expect_equal "opaque/ that is obeyed" "" "$(ls "$WORK/unpacked-user/opaque")"
expect_equal "opaque/ that is left out" "inner" "$(ls "$WORK/lazy-view-user/opaque")"
expect_equal "file" "file" "$(cat "$WORK/lazy-view-user/file")"
