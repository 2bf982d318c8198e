// SPDX-License-Identifier: Apache-2.0
// Which ignore file a local context has.
#include "base/file.h"
#include "builder/dockerfile/ignore.h"
#include "builder/files/context.h"

namespace lazybuild::files {
namespace {

Result<std::optional<std::string>> read_if_there(const std::string& path) {
    auto text = read_file(path, dockerfile::kIgnoreFileBytesMax);
    if (text) {
        return *std::move(text);
    }
    const std::errc code = text.error().code;
    if (code == std::errc::no_such_file_or_directory || code == std::errc::not_a_directory) {
        return std::nullopt;
    }
    return fail(std::move(text).error());
}

}  // namespace

Result<std::optional<IgnoreFile>> find_ignore_file(const std::string& context,
                                                   const std::string& dockerfile,
                                                   const std::string& chosen) {
    if (!chosen.empty()) {
        TRY(std::string text, read_file(chosen, dockerfile::kIgnoreFileBytesMax));
        return IgnoreFile{.name = chosen, .text = std::move(text)};
    }
    if (!dockerfile.empty()) {
        const std::string path = dockerfile + ".dockerignore";
        TRY(std::optional<std::string> text, read_if_there(path));
        if (text) {
            return IgnoreFile{.name = path.substr(path.rfind('/') + 1), .text = *std::move(text)};
        }
    }
    for (const char* const name : {".containerignore", ".dockerignore"}) {
        TRY(std::optional<std::string> text, read_if_there(context + "/" + name));
        if (text) {
            return IgnoreFile{.name = name, .text = *std::move(text)};
        }
    }
    return std::nullopt;
}

}  // namespace lazybuild::files
