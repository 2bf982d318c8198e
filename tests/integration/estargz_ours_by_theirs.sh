#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# stargz-snapshotter's own library accepts what we convert: it finds our tables of contents, verifies them against the
# manifest, and its optimizer takes our layers as they are, which it does for eStargz that holds only.
. "$(dirname "$0")/lib.sh"
harness_start
trixie_start
registry_start

# lazy_layers REPOSITORY:TAG: "DIGEST TOC-DIGEST" of each.
lazy_layers() {
    manifest "$1" | jq -r '.layers[] | .annotations["containerd.io/snapshot/stargz/toc.digest"] as $toc
        | select($toc) | "\(.digest) \($toc)"'
}

# reused TAG: the digests of the layers that the optimizer kept. It runs the program in the first layer, and rewrites
# what that reads; of the other layers it rewrites those that it does not accept.
reused() {
    trixie_fetch "entries:$1"
    tc image optimize --oci --reuse --period 1 --entrypoint '["/busybox"]' --args '["true"]' \
        "$REGISTRY/entries:$1" "$REGISTRY/entries:$1-optimized" >"$WORK/optimize.log" 2>&1 ||
        fail "ctr-remote optimizes not entries:$1: $(tail -n 5 "$WORK/optimize.log")"
    sed -n 's/.*reusing \\"\(sha256:[0-9a-f]*\)\\" without conversion.*/\1/p' "$WORK/optimize.log" | sort
}

"$INTEGRATION/entry_types_image.py" "$WORK/entries" plain "$TRIXIE/usr/bin/busybox"
push "$WORK/entries" plain entries:plain
convert entries

ours=$(lazy_layers entries:lazy | tail -n +2)
[ "$(wc -l <<<"$ours")" -ge 2 ] || fail "there is too little to look at: $ours"
expect_equal "layers that ctr-remote takes as they are" "$(cut -d' ' -f1 <<<"$ours" | sort)" "$(reused lazy)"
while read -r layer toc; do
    expect_equal "TOC digest of $layer" "$toc" "$(tc image get-toc-digest "$layer")"
done <<<"$ours"

# It does look: of the same blobs, one whose annotation names another TOC is rewritten.
skopeo copy --quiet --src-tls-verify=false "docker://$REGISTRY/entries:lazy" "dir:$WORK/lie"
first=$(head -n 1 <<<"$ours")
sed -i "s/${first#* }/sha256:$(sha256sum </dev/null | cut -d' ' -f1)/" "$WORK/lie/manifest.json"
skopeo copy --quiet --dest-tls-verify=false "dir:$WORK/lie" "docker://$REGISTRY/entries:lie"
expect_equal "layers taken when one annotation lies" "$(cut -d' ' -f1 <<<"$ours" | tail -n +2 | sort)" "$(reused lie)"
