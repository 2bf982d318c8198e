// SPDX-License-Identifier: Apache-2.0
// Any bytes as an archive that ADD unpacks over a file system with links in it. Whatever it says,
// what comes out is inside, has clean names whose parents are directories, and is read as it is
// written.
#include <cstdint>
#include <set>

#include "base/assert.h"
#include "builder/files/planned_tree.h"
#include "builder/files/unpack.h"
#include "codec/lexical_path.h"

namespace lazybuild::files {
namespace {

constexpr std::size_t kInputBytesMax = 1 << 16;

/// Checks what a layer is told.
class CheckingMaker final : public layers::LayerMaker {
  public:
    Result<void> add(codec::LayerEntry entry, ByteSource* content) override {
        const std::string path = codec::normalise_path(entry.path, codec::LeadingParents::keep);
        ASSERT(entry.path == "./" || entry.path == path);
        ASSERT(!path.starts_with("..") && !path.starts_with('/'));
        if (!path.empty() && !path.ends_with(".wh..wh..opq")) {
            const std::string parent{codec::split_path(path).directory};
            ASSERT(parent.empty() || directories_.contains(parent));
        }
        if (entry.kind == codec::LayerEntry::Kind::hardlink) {
            ASSERT(files_.contains(entry.link_target));
        } else if (entry.type == codec::FileType::directory) {
            directories_.insert(path);
        } else {
            files_.insert(path);
        }
        Bytes buffer(1 << 12);
        while (content != nullptr) {
            TRY(const std::size_t count, content->read(buffer));
            if (count == 0) {
                break;
            }
        }
        return {};
    }
    Result<layers::LayerPointer> finish() override { return layers::LayerPointer{}; }

  private:
    std::set<std::string> directories_;
    std::set<std::string> files_;
};

void fill(PlannedTree& below) {
    const layers::FileInfo directory = made_directory(0755, 0, 0);
    layers::FileInfo link{
        .type = codec::FileType::symlink, .mode = 0777, .link_target = "/d/../.."};
    layers::FileInfo file{.type = codec::FileType::regular, .mode = 0644, .size_bytes = 4};
    Payload text;
    text.text = "text";
    ASSERT(below.make_directories("d/e", directory));
    ASSERT(below.make_directories("x/d", directory));
    ASSERT(below.put("l", link, {}));
    ASSERT(below.put("x/l", link, {}));
    ASSERT(below.put("x/f", file, text));
}

}  // namespace
}  // namespace lazybuild::files

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace files = lazybuild::files;
    if (size > files::kInputBytesMax) {
        return 0;
    }
    files::PlannedTree below{nullptr};
    files::fill(below);
    files::PlannedTree tree{&below};
    lazybuild::MemorySource archive{std::as_bytes(std::span{data, size})};
    const auto unpacked =
        files::unpack_archive(archive, tree, {.directory = "x", .owner = {}, .spool = "/tmp"});
    files::CheckingMaker maker;
    const auto written = tree.write(maker);
    (void)unpacked;
    (void)written;
    return 0;
}
