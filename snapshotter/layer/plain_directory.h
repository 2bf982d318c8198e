// SPDX-License-Identifier: Apache-2.0
// The directory that a layer was unpacked into, looked at file by file: never beyond it, through a
// symlink, or into a mount.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "codec/chain_tree.h"

namespace lazybuild::layer {

class PlainDirectory final : public codec::LowerTree {
  public:
    static Result<std::unique_ptr<LowerTree>> open(const std::string& path);
    explicit PlainDirectory(Fd directory) : directory_(std::move(directory)) {}

    /// Xattrs are those of directories only.
    Result<std::optional<codec::Node>> look(std::string_view path) override;

  private:
    Fd directory_;
};

}  // namespace lazybuild::layer
