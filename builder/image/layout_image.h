// SPDX-License-Identifier: Apache-2.0
// Images in OCI layouts on the local disk, as sources and targets. The disk is read and written on
// the pool's threads.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "builder/image/image_target.h"
#include "builder/image/oci_layout.h"

namespace lazybuild::image {

/// A directory that is removed with this, and what is in it. Movable.
class TemporaryDirectory {
  public:
    TemporaryDirectory() = default;  ///< none
    /// Under `parent`, for its owner alone. Errors: errno, naming `parent`.
    static Result<TemporaryDirectory> create(const std::string& parent);
    TemporaryDirectory(TemporaryDirectory&& other) noexcept;
    TemporaryDirectory& operator=(TemporaryDirectory&& other) noexcept;
    ~TemporaryDirectory();
    const std::string& path() const { return path_; }

  private:
    explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

/// `name` is for messages. `owned`: what an archive was unpacked into, kept as long as the source.
/// `session` outlives both. Threads: as ImageSource. Errors of what they do: those of OciLayout.
std::unique_ptr<ImageSource> layout_source(OciLayout layout, std::string tag, std::string name,
                                           TemporaryDirectory owned, Session& session);

std::unique_ptr<ImageTarget> layout_target(OciLayout layout, std::string tag, std::string name,
                                           Session& session);

}  // namespace lazybuild::image
