#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sparse files as GNU tar writes them, in each of its ways, are left as they are by convert, which says so, and are
# what containerd unpacks.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start

mkdir "$WORK/tree"
truncate -s 8M "$WORK/tree/sparse"
printf middle | dd of="$WORK/tree/sparse" bs=1M seek=3 conv=notrunc status=none
printf dense >"$WORK/tree/dense"
begin=$(date +%s)
for format in gnu --sparse-version=0.0 --sparse-version=0.1 --sparse-version=1.0; do
    options=("--format=posix" "$format")
    [ "$format" != gnu ] || options=("--format=gnu")
    name=sparse${format//[!0-9]/}
    tar -C "$WORK/tree" --sparse "${options[@]}" -cf "$WORK/$name.tar" .
    python3 - "$SOURCE/scripts/image" "$WORK/$name" "$WORK/$name.tar" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
import oci_layout
layer = oci_layout.write_layer(sys.argv[2], lambda tar: tar.fileobj.write(open(sys.argv[3], "rb").read()))
oci_layout.write_image(sys.argv[2], "plain", [layer], ["sparse"], {"Cmd": ["/none"]})
PYTHON
    push "$WORK/$name" plain "$name:plain"
    convert "$name"
    grep -q 'warning: .* not lazy: .*sparse file' "$WORK/convert.log" ||
        fail "nothing is said: $(cat "$WORK/convert.log")"
    if [ "$format" = gnu ]; then # containerd 1.6 does not take these
        ! full_pull "$name:plain" || fail "containerd unpacks GNU's own sparse type: so should we"
        continue
    fi
    full_pull "$name:plain"
    view overlayfs "$name:plain" "$WORK/$name-unpacked"
    lazy_pull "$name:lazy"
    view lazy "$name:lazy" "$WORK/$name-lazy"
    "$INTEGRATION/compare_trees.py" --made-after "$begin" "$WORK/$name-unpacked" "$WORK/$name-lazy" ||
        fail "$name differs"
    cmp "$WORK/tree/sparse" "$WORK/$name-lazy/sparse" || fail "containerd does not unpack it"
done
