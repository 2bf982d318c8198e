// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/context_layer.h"

#include <fmt/format.h>

#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace lazybuild::exec {
namespace {

using codec::FileType;
using layers::FileInfo;

class ContextCopier {
  public:
    ContextCopier(layers::FileSource& files, layers::LayerMaker& maker)
        : files_(files), maker_(maker) {}

    Result<void> put(const std::string& from, const std::string& to, const FileInfo& info) {
        codec::LayerEntry entry = layers::entry_of(to, info);
        if (info.type == FileType::regular && info.size_bytes > 0) {
            TRY(const auto content, files_.open(from));
            return maker_.add(std::move(entry), content.get());
        }
        CHECK_OK(maker_.add(std::move(entry), nullptr));
        if (info.type != FileType::directory) {
            return {};
        }
        TRY(const std::vector<std::string> names, files_.list(from));
        for (const std::string& name : names) {
            const std::string path = from.empty() ? name : from + "/" + name;
            TRY(const auto below, files_.look(path));
            if (below) {
                CHECK_OK(put(path, to + "/" + name, *below));
            }
        }
        return {};
    }

  private:
    layers::FileSource& files_;
    layers::LayerMaker& maker_;
};

}  // namespace

Result<layers::LayerPointer> make_context_layer(layers::FileSource& files,
                                                const std::string& source,
                                                layers::LayerMaker& maker) {
    TRY(const std::string resolved, layers::resolve(files, source));
    TRY(const auto info, files.look(resolved));
    if (!info) {
        const std::string why = files.explain_absence(resolved);
        return fail(
            Error{std::errc::no_such_file_or_directory,
                  fmt::format("\"/{}\": not found{}{}", source, why.empty() ? "" : ": ", why)});
    }
    CHECK_OK(ContextCopier(files, maker).put(resolved, kContextName, *info));
    return maker.finish();
}

}  // namespace lazybuild::exec
