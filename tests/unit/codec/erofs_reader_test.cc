// SPDX-License-Identifier: Apache-2.0
#include "codec/erofs_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codec/erofs_writer.h"
#include "tests/unit/codec/layer_entries.h"

namespace lazybuild::codec {
namespace {

using test::build;
using test::directory;
using test::file;
using test::symlink;

Bytes image_of(std::vector<LayerEntry> entries) {
    MemorySink image;
    EXPECT_TRUE(write_erofs(build(std::move(entries)), {}, image));
    return image.bytes();
}

Result<std::optional<Node>> look(const Bytes& image, std::string_view path) {
    const MemoryAccess access{image};
    TRY(const ErofsReader reader, ErofsReader::open(access));
    return reader.look(path);
}

TEST(ErofsReader, finds_what_was_written) {
    LayerEntry entry = directory("d/sub", 02751);
    entry.uid = 0xFFFFFFF0;
    entry.gid = 70000;
    entry.mtime_s = 5'000'000'000;
    entry.xattrs = {{"security.a", std::string("\0b", 2)},
                    {"system.posix_acl_default", "acl"},
                    {"user.empty", ""}};
    const Bytes image = image_of({entry, symlink("d/link", "../some where"), file("d/f", 10)});
    const auto found = look(image, "d/sub");
    ASSERT_TRUE(found && *found);
    const Node& node = **found;
    EXPECT_EQ(node.type, FileType::directory);
    EXPECT_EQ(node.mode, 02751U);
    EXPECT_EQ(node.uid, 0xFFFFFFF0U);
    EXPECT_EQ(node.gid, 70000U);
    EXPECT_EQ(node.mtime_s, 5'000'000'000);
    ASSERT_EQ(node.xattrs.size(), 3U);
    EXPECT_EQ(node.xattrs[0].value, std::string("\0b", 2));
    EXPECT_EQ(node.xattrs[1].name, "system.posix_acl_default");
    EXPECT_EQ((*look(image, "d/link"))->link_target, "../some where");
    EXPECT_EQ((*look(image, "d/f"))->type, FileType::regular);
    EXPECT_EQ((*look(image, ""))->mode, 0755U);
}

TEST(ErofsReader, what_is_not_there_is_nothing) {
    const Bytes image = image_of({directory("d"), symlink("l", "d"), file("d/f")});
    for (const char* const path : {"x", "d/x", "d/f/x", "l/f", "c", "e"}) {
        const auto found = look(image, path);
        ASSERT_TRUE(found) << path;
        EXPECT_FALSE(*found) << path;
    }
}

TEST(ErofsReader, finds_every_name_of_a_large_directory) {
    constexpr int kNames = 3000;  // some thirty blocks, and an inline end
    std::vector<LayerEntry> entries;
    for (int i = 0; i < kNames; ++i) {
        entries.push_back(
            symlink(fmt::format("d/{}{}", i % 7 == 0 ? "!" : "n", i), fmt::to_string(i)));
    }
    const Bytes image = image_of(std::move(entries));
    for (int i = 0; i < kNames; ++i) {
        const auto found = look(image, fmt::format("d/{}{}", i % 7 == 0 ? "!" : "n", i));
        ASSERT_TRUE(found && *found) << i;
        EXPECT_EQ((*found)->link_target, fmt::to_string(i));
    }
    for (const char* const absent : {"d/ ", "d/n", "d/n99999", "d/~", "d/!"}) {
        EXPECT_FALSE(*look(image, absent)) << absent;
    }
}

TEST(ErofsReader, a_long_symlink_is_read_from_its_block) {
    const std::string target(4095, 't');
    EXPECT_EQ((*look(image_of({symlink("l", target)}), "l"))->link_target, target);
}

TEST(ErofsReader, damage_is_an_error_and_nothing_worse) {
    LayerEntry entry = directory("d/sub");
    entry.xattrs = {{"user.a", "value"}};
    const Bytes image = image_of({entry, symlink("d/l", std::string(3000, 'x'))});
    EXPECT_FALSE(look(Bytes(100), ""));
    EXPECT_FALSE(look(Bytes(8192), ""));
    for (std::size_t at = 1024; at < image.size(); ++at) {
        Bytes damaged = image;
        damaged[at] = ~damaged[at];
        for (const char* const path : {"d/sub", "d/l", "d/absent"}) {
            [[maybe_unused]] const auto found = look(damaged, path);
        }
    }
    for (std::size_t size = 0; size < image.size(); size += 32) {
        const Bytes cut(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(size));
        [[maybe_unused]] const auto found = look(cut, "d/sub");
    }
}

}  // namespace
}  // namespace lazybuild::codec
