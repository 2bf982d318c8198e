// SPDX-License-Identifier: Apache-2.0
// A user of an image, looked up in whatever its etc/passwd and etc/group hold. The input: the text
// of USER up to the first newline, passwd up to the first NUL, group.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "builder/exec/user.h"

namespace {

using lazybuild::Result;
using lazybuild::layers::FileInfo;

/// Two files in memory.
class UserFiles final : public lazybuild::layers::FileSource {
  public:
    UserFiles(std::string_view passwd, std::string_view group) : passwd_(passwd), group_(group) {}
    Result<std::optional<FileInfo>> look(std::string_view path) override {
        if (path == "etc") {
            return FileInfo{.type = lazybuild::codec::FileType::directory};
        }
        return FileInfo{.size_bytes = text(path).size()};
    }
    Result<std::vector<std::string>> list(std::string_view) override {
        return std::vector<std::string>{};
    }
    Result<lazybuild::layers::ContentDigest> digest(std::string_view) override {
        return lazybuild::layers::ContentDigest{};
    }
    Result<std::unique_ptr<lazybuild::ByteSource>> open(std::string_view path) override {
        return std::make_unique<lazybuild::MemorySource>(lazybuild::as_bytes(text(path)));
    }

  private:
    std::string_view text(std::string_view path) const {
        return path == "etc/passwd" ? passwd_ : group_;
    }
    std::string_view passwd_, group_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    const std::size_t line = std::min(input.find('\n'), input.size());
    const std::string_view rest = input.substr(std::min(line + 1, input.size()));
    const std::size_t nul = std::min(rest.find('\0'), rest.size());
    UserFiles files{rest.substr(0, nul), rest.substr(std::min(nul + 1, rest.size()))};
    const auto user = lazybuild::exec::find_user(std::string{input.substr(0, line)}, files);
    if (user) {
        ASSERT(!user->groups.empty() && user->groups.front() == user->gid);
    }
    return 0;
}
