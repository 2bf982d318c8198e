// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"
#include "builder/files/context.h"
#include "builder/files/unpack.h"

namespace lazybuild::files {

Result<std::unique_ptr<layers::FileSource>> open_tar_context(ByteSource& archive,
                                                             const std::string& directory) {
    auto tree = std::make_unique<PlannedTree>(nullptr);
    auto unpacked = unpack_archive(archive, *tree,
                                   UnpackOptions{.directory = {}, .owner = {}, .spool = directory});
    if (!unpacked) {
        return fail(std::move(unpacked).error().context("the build context"));
    }
    return tree;
}

}  // namespace lazybuild::files
