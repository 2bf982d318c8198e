#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the goldens of this directory anew: layer.tar, tree.txt, and theirs.tar.gz with the ctr-remote of Debian trixie,
# whose version goes into theirs.txt. ours.tar.gz is our writer's: UPDATE_GOLDEN=1 test_codec_estargz. Needs root.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../integration/lib.sh"
harness_start
registry_start
trixie_start

"$here/make_layer.py" "$here/layer.tar" "$here/tree.txt"
skopeo copy --quiet --dest-tls-verify=false "tarball:$here/layer.tar" "docker://$REGISTRY/golden:plain"
trixie_fetch golden:plain
options=(--oci --estargz --estargz-chunk-size 4096)
tc image convert "${options[@]}" "$REGISTRY/golden:plain" "$REGISTRY/golden:theirs"
trixie_push golden:theirs
layer=$(manifest golden:theirs | jq -c '.layers[0]')
cp "$(blob_file "$(jq -r .digest <<<"$layer")")" "$here/theirs.tar.gz"
{
    echo "ctr-remote image convert ${options[*]}"
    zcat "$TRIXIE/usr/share/doc/stargz-snapshotter/changelog.Debian.amd64.gz" | head -n 1 | cut -d' ' -f1-3
    jq -r '.annotations["containerd.io/snapshot/stargz/toc.digest"]' <<<"$layer"
} >"$here/theirs.txt"
