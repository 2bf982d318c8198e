// SPDX-License-Identifier: Apache-2.0
// An OCI image layout: a directory with blobs/sha256/<hex>, the file oci-layout, and an index.json
// that names images by the annotation org.opencontainers.image.ref.name.
//
// A reader never sees half of anything: blobs and index.json get their names when they are
// complete. Two writers at once wait for each other (flock on the directory).
// All calls block on the disk. Threads: any, one call at a time for each object.
//
// Source: OCI image-spec v1.1 image-layout.md.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "builder/image/spool_file.h"
#include "codec/oci_descriptor.h"
#include "codec/oci_manifest.h"

namespace lazybuild::image {

inline constexpr std::string_view kLayoutRefName = "org.opencontainers.image.ref.name";

class OciLayout {
  public:
    /// One that exists. Errors: no_such_file_or_directory, bad_message for a directory that is no
    /// layout or one of another version.
    static Result<OciLayout> open(std::string path);
    /// Whether create() has a place to do it in, as far as can be told without making anything:
    /// said at once, where create() comes only after much work. Errors: not_a_directory, those of
    /// access(2), invalid_argument for a directory that holds other things.
    static Result<void> check_place(const std::string& path);
    /// Makes what is missing of it. A directory that holds other things is refused
    /// (invalid_argument).
    static Result<OciLayout> create(std::string path);

    const std::string& path() const { return path_; }

    /// The image with this tag; with none, the only image, or the only one without a name.
    /// Errors: no_such_file_or_directory, naming the tags that there are.
    Result<codec::Descriptor> find(const std::string& tag) const;

    /// A blob, opened, of the size that `blob` says. Its bytes are not verified.
    /// Errors: no_such_file_or_directory, bad_message for another size.
    Result<Fd> open_blob(const codec::Descriptor& blob) const;
    /// Whether there is a blob of this digest and size.
    bool has_blob(const codec::Descriptor& blob) const;
    /// nullopt: it is not there, or is no regular file.
    Result<std::optional<std::uint64_t>> blob_size(const codec::Digest& blob) const;

    /// A file for a new blob, and its becoming one; the caller has computed `blob` from its bytes.
    /// A blob that is there stays as it is. Errors: errno, naming the file.
    Result<SpoolFile> begin_blob() const;
    Result<void> put_blob(const codec::Descriptor& blob, SpoolFile content) const;
    Result<void> put_bytes(const codec::Descriptor& blob, ByteView bytes) const;

    /// The image of this name (or the one without, for "") is `image` from now on.
    Result<void> set_image(const std::string& tag, codec::Descriptor image) const;
    /// No image but `tag` is named any more, and blobs that are not in `blobs` are gone.
    Result<void> keep_only(const std::string& tag, const std::set<codec::Digest>& blobs) const;

  private:
    explicit OciLayout(std::string path) : path_(std::move(path)) {}
    std::string blob_path(const codec::Digest& digest) const;
    Result<void> check_version() const;
    Result<codec::Index> read_index() const;
    Result<Fd> lock() const;

    std::string path_;
};

}  // namespace lazybuild::image
