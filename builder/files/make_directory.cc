// SPDX-License-Identifier: Apache-2.0
// WORKDIR.
#include "builder/files/copy.h"
#include "builder/files/planned_tree.h"

namespace lazybuild::files {

Result<layers::LayerPointer> make_directory(const graph::DirectoryStep& step,
                                            layers::FileSource& base, layers::LayerMaker& maker) {
    constexpr std::uint32_t kMode = 0755;
    TRY(const std::string place, layers::resolve(base, step.path));
    TRY(const std::optional<layers::FileInfo> there, base.look(place));
    if (place.empty() || (there && there->type == codec::FileType::directory)) {
        return layers::LayerPointer{};
    }
    if (there) {
        return fail(invalid("mkdir " + step.path + ": not a directory: it is a file already"));
    }
    Owner owner;
    if (!step.user.empty()) {
        TRY(owner, find_owner(step.user, &base));
    }
    PlannedTree tree{&base};
    CHECK_OK(tree.make_directories(place, made_directory(kMode, owner.uid, owner.gid)));
    CHECK_OK(tree.write(maker));
    return maker.finish();
}

}  // namespace lazybuild::files
