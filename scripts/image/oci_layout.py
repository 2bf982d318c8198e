# SPDX-License-Identifier: Apache-2.0
"""Writes tar+gzip layers and the OCI layout that names them.

A layer comes from a function that adds members to a tarfile, so that both image builders (a real Debian
file system, and one layer of every entry type) share the compression, the digests and the JSON.
References: OCI image-spec v1.1, image-layout.md, layer.md and config.md.
"""

import gzip
import hashlib
import json
import os
import tarfile

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
# Debian's names for the machines, as OCI (that is, Go) names them.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64", "ppc64le": "ppc64le"}


class HashedFile:
    """A write-only file that knows the digest and the size of what went through it."""

    def __init__(self, file):
        self.file = file
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        return self.file.write(data)

    def flush(self):
        self.file.flush()

    def digest(self):
        return "sha256:" + self.hash.hexdigest()


def blob_path(layout, digest):
    return os.path.join(layout, "blobs", "sha256", digest.split(":")[1])


def write_layer(layout, add_members, tar_format=tarfile.PAX_FORMAT):
    """Calls add_members(tar) and stores the gzipped result; returns its descriptor and its diffID."""
    os.makedirs(os.path.join(layout, "blobs", "sha256"), exist_ok=True)
    part = os.path.join(layout, f"layer.{os.getpid()}.part")
    with open(part, "wb") as file:
        compressed = HashedFile(file)
        # mtime 0 and no name in the gzip header: the same members give the same blob.
        with gzip.GzipFile("", "wb", 6, compressed, mtime=0) as packer:
            plain = HashedFile(packer)
            with tarfile.open(
                fileobj=plain, mode="w|", format=tar_format, encoding="utf-8", errors="surrogateescape"
            ) as tar:
                add_members(tar)
    digest = compressed.digest()
    os.replace(part, blob_path(layout, digest))
    descriptor = {"mediaType": LAYER_TYPE, "digest": digest, "size": compressed.size}
    return descriptor, plain.digest()


def write_json(layout, media_type, value):
    """Stores a JSON document as a blob and returns its descriptor."""
    data = json.dumps(value, separators=(",", ":")).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    with open(blob_path(layout, digest), "wb") as file:
        file.write(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def write_image(layout, tag, layers, comments, run_config):
    """Writes config, manifest, index and oci-layout over layers: a list of (descriptor, diffID)."""
    config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": run_config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": text} for text in comments],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": write_json(layout, CONFIG_TYPE, config),
        "layers": [descriptor for descriptor, _ in layers],
    }
    entry = write_json(layout, MANIFEST_TYPE, manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}
    with open(os.path.join(layout, "oci-layout"), "w", encoding="utf-8") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)
    with open(os.path.join(layout, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file)
