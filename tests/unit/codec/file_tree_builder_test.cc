// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "codec/file_tree.h"
#include "tests/unit/codec/layer_entries.h"

namespace lazybuild::codec {
namespace {

using test::at;
using test::build;
using test::code_of;
using test::directory;
using test::file;
using test::hardlink;
using test::symlink;
using test::try_build;

LayerEntry with_xattrs(LayerEntry entry, std::vector<Xattr> xattrs) {
    entry.xattrs = std::move(xattrs);
    return entry;
}

std::string xattrs_of(const Node& node) {
    std::string text;
    for (const Xattr& xattr : node.xattrs) {
        text += xattr.name + "=" + xattr.value + " ";
    }
    return text;
}

TEST(FileTreeBuilder, an_empty_layer_is_a_synthesised_root) {
    const FileTree tree = build({});
    ASSERT_EQ(tree.nodes.size(), 1U);
    EXPECT_TRUE(tree.root().synthesised);
    EXPECT_EQ(tree.root().mode, 0755U);
    EXPECT_EQ(tree.root().link_count, 2U);
}

TEST(FileTreeBuilder, attributes_are_those_of_the_entry) {
    const FileTree tree = build({{.type = FileType::block,
                                  .path = "./dev/x",
                                  .mode = 0107751,
                                  .uid = 70000,
                                  .gid = 3,
                                  .mtime_s = 1234567890,
                                  .device_major = 259,
                                  .device_minor = 70000}});
    const Node node = at(tree, "dev/x");
    EXPECT_EQ(node.type, FileType::block);
    EXPECT_EQ(node.mode, 07751U);
    EXPECT_EQ(node.uid, 70000U);
    EXPECT_EQ(node.gid, 3U);
    EXPECT_EQ(node.mtime_s, 1234567890);
    EXPECT_EQ(node.device_major, 259U);
    EXPECT_EQ(node.device_minor, 70000U);
    EXPECT_EQ(node.link_count, 1U);
    EXPECT_FALSE(node.synthesised);
}

TEST(FileTreeBuilder, only_devices_have_device_numbers) {
    LayerEntry fifo{.type = FileType::fifo, .path = "f", .device_major = 1, .device_minor = 2};
    EXPECT_EQ(at(build({fifo}), "f").device_minor, 0U);
}

TEST(FileTreeBuilder, missing_parents_are_synthesised) {
    const FileTree tree = build({file("a/b/c")});
    for (const std::string_view path : {"", "a", "a/b"}) {
        EXPECT_TRUE(at(tree, path).synthesised) << path;
        EXPECT_EQ(at(tree, path).mode, 0755U);
    }
    EXPECT_EQ(at(tree, "a").link_count, 3U);
}

TEST(FileTreeBuilder, missing_parents_take_the_group_of_a_setgid_directory) {
    LayerEntry parent = directory("a", 02755);
    parent.gid = 9;
    const FileTree tree = build({parent, file("a/b/c/d"), file("x/y")});
    EXPECT_EQ(at(tree, "a/b").gid, 9U);
    EXPECT_EQ(at(tree, "a/b").mode, 0755U);
    EXPECT_EQ(at(tree, "a/b/c").gid, 0U) << "mkdir's setgid bit does not survive the chmod";
    EXPECT_EQ(at(tree, "x").gid, 0U);
}

TEST(FileTreeBuilder, a_later_entry_makes_a_synthesised_directory_real) {
    const FileTree tree = build({file("a/b/c"), directory("a", 01777)});
    EXPECT_FALSE(at(tree, "a").synthesised);
    EXPECT_EQ(at(tree, "a").mode, 01777U);
    EXPECT_EQ(at(tree, "a").mtime_s, 7);
    EXPECT_TRUE(at(tree, "a/b").synthesised);
    EXPECT_TRUE(tree.find("a/b/c"));
}

TEST(FileTreeBuilder, an_entry_for_the_root_says_its_time_only) {
    for (const std::string path : {"./", "/", ".", "", "a/.."}) {
        LayerEntry root = with_xattrs(directory(path, 0711), {{"user.a", "1"}});
        root.uid = 5;
        const FileTree tree = build({root, file("b")});
        EXPECT_EQ(tree.root().mode, 0755U) << path;
        EXPECT_EQ(tree.root().uid, 0U);
        EXPECT_EQ(tree.root().mtime_s, 7);
        EXPECT_TRUE(tree.root().xattrs.empty());
        EXPECT_FALSE(tree.root().synthesised);
        EXPECT_EQ(tree.nodes.size(), 2U);
    }
    EXPECT_TRUE(build({file("."), hardlink("/", "b"), file("b")}).root().synthesised);
}

TEST(FileTreeBuilder, paths_never_leave_the_layer) {
    const FileTree tree = build({file("../../etc/passwd", 1), file("/abs//./x/../y")});
    EXPECT_EQ(at(tree, "etc/passwd").size_bytes, 1U);
    EXPECT_TRUE(tree.find("abs/y"));
    EXPECT_EQ(tree.nodes.size(), 5U);
}

TEST(FileTreeBuilder, a_later_file_replaces_an_earlier_one) {
    const FileTree tree = build({file("a", 1, 10), file("b", 2, 20), file("a", 3, 30)});
    EXPECT_EQ(tree.nodes.size(), 3U);
    EXPECT_EQ(at(tree, "a").size_bytes, 3U);
    ASSERT_EQ(tree.chunks.size(), 2U);
    EXPECT_EQ(tree.chunks[at(tree, "a").first_chunk].blob_offset_bytes, 30U);
    EXPECT_EQ(tree.chunks[at(tree, "b").first_chunk].blob_offset_bytes, 20U);
}

TEST(FileTreeBuilder, a_directory_over_a_directory_keeps_children_and_takes_attributes) {
    const FileTree tree =
        build({with_xattrs(directory("d"), {{"user.a", "1"}, {"user.b", "1"}}), file("d/child"),
               with_xattrs(directory("d", 0700), {{"user.b", "2"}, {"user.c", "2"}})});
    EXPECT_TRUE(tree.find("d/child"));
    EXPECT_EQ(at(tree, "d").mode, 0700U);
    EXPECT_EQ(xattrs_of(at(tree, "d")), "user.a=1 user.b=2 user.c=2 ");
}

TEST(FileTreeBuilder, anything_else_over_a_directory_removes_what_is_in_it) {
    for (const LayerEntry& other : {file("d"), symlink("d", "x"), hardlink("d", "kept"),
                                    LayerEntry{.type = FileType::fifo, .path = "d"}}) {
        const FileTree tree =
            build({file("kept", 1), directory("d"), file("d/a/b", 5), symlink("d/c", "x"), other});
        EXPECT_NE(at(tree, "d").type, FileType::directory);
        EXPECT_EQ(tree.find("d/a"), std::nullopt);
        EXPECT_EQ(tree.nodes.size(), other.kind == LayerEntry::Kind::hardlink ? 2U : 3U);
        EXPECT_EQ(tree.chunks.size(), 1U);
    }
}

TEST(FileTreeBuilder, a_directory_over_anything_else_is_new) {
    const FileTree tree = build({with_xattrs(file("d", 1), {{"user.a", "1"}}), directory("d"),
                                 file("d/child"), symlink("e", "d"), directory("e")});
    EXPECT_EQ(at(tree, "d").type, FileType::directory);
    EXPECT_TRUE(at(tree, "d").xattrs.empty());
    EXPECT_EQ(at(tree, "e").type, FileType::directory);
    EXPECT_TRUE(at(tree, "e").entries.empty());
}

TEST(FileTreeBuilder, a_directory_that_comes_again_after_a_file_is_empty) {
    const FileTree tree =
        build({file("d/old"), file("d/.wh..wh..opq"), file("d"), file("d2"), directory("d")});
    EXPECT_TRUE(at(tree, "d").entries.empty());
    EXPECT_FALSE(at(tree, "d").opaque);
}

TEST(FileTreeBuilder, a_file_as_a_parent_is_refused_by_name) {
    const auto tree = try_build({file("a"), file("a/b")});
    ASSERT_FALSE(tree);
    EXPECT_EQ(tree.error().code, std::errc::bad_message);
    EXPECT_NE(tree.error().message.find("\"a/b\""), std::string::npos) << tree.error().message;
}

TEST(FileTreeBuilder, symlinks_as_parents_are_followed_inside_the_layer) {
    const FileTree tree = build(
        {directory("usr/lib"), symlink("lib", "usr/lib"),
         symlink("usr/up", "../../../usr/./lib/x/.."), symlink("abs", "/usr"),
         symlink("chain", "abs/up"), symlink("dangling", "not/there"), file("lib/one"),
         file("usr/up/two"), file("abs/lib/three"), file("chain/four"), file("dangling/five")});
    EXPECT_EQ(at(tree, "usr/lib").entries.size(), 4U);
    EXPECT_EQ(at(tree, "lib").type, FileType::symlink);
    EXPECT_TRUE(tree.find("not/there/five"));
    EXPECT_TRUE(at(tree, "not/there").synthesised);
}

TEST(FileTreeBuilder, a_symlink_as_the_last_name_is_replaced_not_followed) {
    const FileTree tree = build({directory("d"), symlink("l", "d"), file("l", 1)});
    EXPECT_EQ(at(tree, "l").type, FileType::regular);
    EXPECT_TRUE(at(tree, "d").entries.empty());
}

TEST(FileTreeBuilder, a_replaced_parent_is_looked_up_anew) {
    const FileTree tree = build({file("a/one"), symlink("a", "b"), file("a/two"), file("a", 0),
                                 directory("a"), file("a/three")});
    EXPECT_TRUE(tree.find("b/two"));
    EXPECT_TRUE(tree.find("a/three"));
    EXPECT_EQ(at(tree, "a").entries.size(), 1U);
}

TEST(FileTreeBuilder, endless_symlinks_are_refused) {
    EXPECT_EQ(code_of({symlink("a", "b"), symlink("b", "a"), file("a/x")}), std::errc::bad_message);
    EXPECT_EQ(code_of({symlink("a", "a/b"), file("a/x")}), std::errc::bad_message);
    EXPECT_EQ(code_of({symlink("a", "f"), file("f"), file("a/x")}), std::errc::bad_message);
}

TEST(FileTreeBuilder, symlinks_have_their_target_and_all_permissions) {
    const Node node = at(build({symlink("l", "../any where")}), "l");
    EXPECT_EQ(node.link_target, "../any where");
    EXPECT_EQ(node.mode, 0777U);
    EXPECT_EQ(node.size_bytes, 0U);
}

TEST(FileTreeBuilder, impossible_symlinks_are_refused) {
    EXPECT_EQ(code_of({symlink("l", "")}), std::errc::bad_message);
    EXPECT_EQ(code_of({symlink("l", {"a\0b", 3})}), std::errc::bad_message);
    EXPECT_EQ(code_of({symlink("l", std::string(4096, 'a'))}), std::errc::argument_out_of_domain);
    EXPECT_TRUE(try_build({symlink("l", std::string(4095, 'a'))}));
}

TEST(Whiteouts, become_devices_with_the_entrys_owner) {
    LayerEntry entry = file("d/.wh.x", 3);
    entry.uid = 10;
    entry.gid = 11;
    const FileTree tree = build({entry});
    const Node node = at(tree, "d/x");
    EXPECT_EQ(node.type, FileType::character);
    EXPECT_EQ(node.mode, 0U);
    EXPECT_EQ(node.uid, 10U);
    EXPECT_EQ(node.gid, 11U);
    EXPECT_EQ(node.device_major, 0U);
    EXPECT_EQ(node.device_minor, 0U);
    EXPECT_EQ(node.size_bytes, 0U);
    EXPECT_TRUE(tree.chunks.empty());
    EXPECT_TRUE(at(tree, "d").synthesised);
    EXPECT_EQ(at(tree, "d").entries.size(), 1U);
}

TEST(Whiteouts, replace_what_came_before_and_are_replaced_by_what_comes_after) {
    const FileTree tree = build({directory("a"), file("a/b", 1), file(".wh.a"), file(".wh.c"),
                                 directory("c"), file("c/d"), file(".wh.e"), file("e", 1)});
    EXPECT_EQ(at(tree, "a").type, FileType::character);
    EXPECT_EQ(at(tree, "c").type, FileType::directory);
    EXPECT_TRUE(tree.find("c/d"));
    EXPECT_EQ(at(tree, "e").type, FileType::regular);
    EXPECT_EQ(tree.nodes.size(), 5U);
}

TEST(Whiteouts, cannot_be_parents) {
    EXPECT_EQ(code_of({file(".wh.a"), file("a/b")}), std::errc::bad_message);
}

TEST(Whiteouts, of_nothing_or_of_a_directory_itself_are_refused) {
    for (const std::string path : {"d/.wh.", "d/.wh..", "d/.wh..."}) {
        EXPECT_EQ(code_of({file(path)}), std::errc::bad_message) << path;
    }
}

TEST(Whiteouts, opaque_marks_its_directory_and_is_no_file) {
    const FileTree tree = build({file("d/.wh..wh..opq"), file("d/x"), directory("d"), file("e/x")});
    EXPECT_TRUE(at(tree, "d").opaque);
    EXPECT_EQ(at(tree, "d").entries.size(), 1U);
    EXPECT_FALSE(at(tree, "e").opaque);
    EXPECT_FALSE(tree.root().opaque);
    EXPECT_TRUE(build({file(".wh..wh..opq")}).root().opaque);
}

TEST(Whiteouts, opaque_keeps_what_the_layer_has_in_the_directory_already) {
    const FileTree tree = build({file("d/x"), file("d/.wh..wh..opq")});
    EXPECT_TRUE(at(tree, "d").opaque);
    EXPECT_TRUE(tree.find("d/x"));
}

TEST(Whiteouts, names_of_aufs_are_left_out) {
    const FileTree tree = build({file(".wh..wh.aufs"), directory(".wh..wh.plnk"),
                                 directory("d/.wh..wh.orph"), file(".wh..wh..opq.x")});
    EXPECT_EQ(tree.nodes.size(), 1U);
}

TEST(FileTreeBuilder, names_of_estargz_are_left_out_of_the_root_only) {
    const FileTree tree = build({file(".prefetch.landmark", 1), file("./.no.prefetch.landmark", 1),
                                 file("/stargz.index.json", 9), file("d/stargz.index.json", 9)});
    EXPECT_EQ(tree.root().entries.size(), 1U);
    EXPECT_TRUE(tree.find("d/stargz.index.json"));
}

TEST(HardLinks, are_more_names_of_one_inode) {
    const FileTree tree =
        build({file("a", 5, 50), hardlink("b", "a"), hardlink("d/c", "./x/../b")});
    EXPECT_EQ(tree.find("a"), tree.find("b"));
    EXPECT_EQ(tree.find("a"), tree.find("d/c"));
    EXPECT_EQ(at(tree, "a").link_count, 3U);
    EXPECT_EQ(tree.chunks.size(), 1U);
}

TEST(HardLinks, keep_the_inode_when_the_target_is_replaced_later) {
    const FileTree tree = build({file("a", 1), hardlink("b", "a"), file("a", 2)});
    EXPECT_EQ(at(tree, "b").size_bytes, 1U);
    EXPECT_EQ(at(tree, "b").link_count, 1U);
    EXPECT_EQ(at(tree, "a").size_bytes, 2U);
}

TEST(HardLinks, outlive_the_directory_of_their_target) {
    const FileTree tree = build({file("d/a", 1), hardlink("b", "d/a"), file("d")});
    EXPECT_EQ(at(tree, "b").size_bytes, 1U);
    EXPECT_EQ(at(tree, "b").link_count, 1U);
}

TEST(HardLinks, to_what_comes_later_are_what_it_finally_is) {
    const FileTree tree = build({hardlink("d/b", "a"), hardlink("c", "d/b"), file("a", 1),
                                 file("a", 2), hardlink("e", "c")});
    EXPECT_EQ(at(tree, "a").size_bytes, 2U);
    EXPECT_EQ(at(tree, "a").link_count, 4U);
    for (const std::string_view path : {"d/b", "c", "e"}) {
        EXPECT_EQ(tree.find(path), tree.find("a")) << path;
    }
    EXPECT_EQ(tree.nodes.size(), 3U);
}

TEST(HardLinks, to_a_directory_that_becomes_a_file_are_that_file) {
    const FileTree tree = build({directory("a"), hardlink("b", "a"), file("a", 2)});
    EXPECT_EQ(tree.find("b"), tree.find("a"));
}

TEST(HardLinks, through_symlinked_parents_reach_the_file) {
    const FileTree tree =
        build({file("usr/lib/x", 1), symlink("lib", "usr/lib"), hardlink("y", "lib/x"),
               hardlink("lib/z", "later/x"), symlink("later", "/usr/lib")});
    EXPECT_EQ(at(tree, "usr/lib/x").link_count, 3U);
}

TEST(HardLinks, to_a_symlink_are_the_symlink) {
    const FileTree tree = build({symlink("l", "a"), hardlink("m", "l"), file("a")});
    EXPECT_EQ(tree.find("l"), tree.find("m"));
    EXPECT_EQ(at(tree, "m").type, FileType::symlink);
    EXPECT_EQ(at(tree, "m").mode, 0777U);
    EXPECT_EQ(at(tree, "m").link_count, 2U);
}

TEST(HardLinks, give_their_attributes_to_the_inode) {
    LayerEntry target = with_xattrs(file("a", 1), {{"user.a", "1"}, {"security.capability", "c"}});
    LayerEntry link = with_xattrs(hardlink("b", "a"), {{"user.b", "2"}});
    link.mode = 0600;
    link.uid = 5;
    link.gid = 0xffff'ffff;
    link.mtime_s = 99;
    target.gid = 6;
    const FileTree tree = build({target, link});
    const Node node = at(tree, "a");
    EXPECT_EQ(node.mode, 0600U);
    EXPECT_EQ(node.uid, 5U);
    EXPECT_EQ(node.gid, 6U);
    EXPECT_EQ(node.mtime_s, 99);
    EXPECT_EQ(node.size_bytes, 1U);
    // As after the chown(2) of the new name, capabilities are those of the link's entry.
    EXPECT_EQ(xattrs_of(node), "user.a=1 user.b=2 ");
}

TEST(HardLinks, replace_what_has_their_name) {
    const FileTree tree =
        build({file("a", 1), file("b", 2), hardlink("b", "a"), file("c"), hardlink("c", "later"),
               file("later", 3), hardlink("gone", "never"), file("gone", 4)});
    EXPECT_EQ(tree.find("a"), tree.find("b"));
    EXPECT_EQ(tree.find("c"), tree.find("later"));
    EXPECT_EQ(at(tree, "gone").size_bytes, 4U);
    EXPECT_EQ(tree.chunks.size(), 3U);
}

TEST(HardLinks, that_lead_nowhere_are_refused_by_name) {
    const auto missing = try_build({hardlink("b", "nothing")});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, std::errc::bad_message);
    EXPECT_NE(missing.error().message.find("\"nothing\""), std::string::npos);
    EXPECT_EQ(code_of({directory("a"), hardlink("b", "a")}), std::errc::bad_message);
    EXPECT_EQ(code_of({hardlink("b", "/")}), std::errc::bad_message);
    EXPECT_EQ(code_of({file("f"), hardlink("b", "f/x")}), std::errc::bad_message);
    EXPECT_EQ(code_of({file("a"), hardlink("a", "a")}), std::errc::bad_message);
    EXPECT_EQ(
        code_of({hardlink("a", "b"), hardlink("c", "d"), hardlink("d", "a"), hardlink("b", "c")}),
        std::errc::bad_message);
}

TEST(Attributes, times_outside_what_a_timestamp_holds_are_zero) {
    for (const auto& [given, kept] : {std::pair<std::int64_t, std::int64_t>{-1, 0},
                                      {0, 0},
                                      {9223372036, 9223372036},
                                      {9223372037, 0},
                                      {INT64_MAX, 0}}) {
        LayerEntry entry = file("a");
        entry.mtime_s = given;
        EXPECT_EQ(at(build({entry}), "a").mtime_s, kept) << given;
    }
}

TEST(Attributes, xattrs_that_would_speak_to_the_host_are_dropped) {
    const std::vector<Xattr> all{{"user.mime", "1"},
                                 {"user.overlay.redirect", "1"},
                                 {"user.overlayed", "1"},
                                 {"trusted.overlay.redirect", "1"},
                                 {"trusted.other", "1"},
                                 {"security.selinux", "1"},
                                 {"security.capability", "1"},
                                 {"system.posix_acl_access", "1"},
                                 {"system.posix_acl_default", "1"},
                                 {"system.nfs4_acl", "1"},
                                 {"com.apple.quarantine", "1"},
                                 {"", "1"}};
    EXPECT_EQ(xattrs_of(at(build({with_xattrs(file("a"), all)}), "a")),
              "security.capability=1 system.posix_acl_access=1 user.mime=1 user.overlayed=1 ");
    EXPECT_EQ(xattrs_of(at(build({with_xattrs(directory("a"), all)}), "a")),
              "security.capability=1 system.posix_acl_access=1 system.posix_acl_default=1 "
              "user.mime=1 user.overlayed=1 ");
    EXPECT_EQ(xattrs_of(at(build({with_xattrs(symlink("a", "b"), all)}), "a")),
              "security.capability=1 ");
    EXPECT_EQ(xattrs_of(at(build({with_xattrs(file(".wh.a"), all)}), "a")), "");
}

TEST(Attributes, xattrs_have_limits) {
    EXPECT_EQ(code_of({with_xattrs(file("a"), {{"user." + std::string(251, 'n'), ""}})}),
              std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({with_xattrs(file("a"), {{std::string{"user.\0", 6}, ""}})}),
              std::errc::bad_message);
    const std::string half(kXattrBytesMax / 2, 'v');
    EXPECT_EQ(code_of({with_xattrs(directory("a"), {{"user.a", half}}),
                       with_xattrs(directory("a"), {{"user.b", half}})}),
              std::errc::argument_out_of_domain);
}

TEST(Chunks, must_cover_the_file_in_order) {
    const auto with = [](std::uint64_t size_bytes, std::vector<Chunk> chunks) {
        LayerEntry entry = file("a");
        entry.size_bytes = size_bytes;
        entry.chunks = std::move(chunks);
        return entry;
    };
    const auto chunk = [](std::uint64_t offset_bytes, std::uint64_t size_bytes) {
        return Chunk{.file_offset_bytes = offset_bytes, .size_bytes = size_bytes};
    };
    EXPECT_TRUE(try_build({with(7, {chunk(0, 4), chunk(4, 3)})}));
    for (const LayerEntry& entry :
         {with(7, {}), with(7, {chunk(0, 4)}), with(7, {chunk(0, 8)}), with(7, {chunk(1, 6)}),
          with(7, {chunk(0, 4), chunk(5, 2)}), with(7, {chunk(0, 4), chunk(3, 4)}),
          with(7, {chunk(0, 4), chunk(4, 0), chunk(4, 3)}), with(0, {chunk(0, 1)}),
          with(7, {chunk(0, 4), chunk(4, UINT64_MAX)})}) {
        EXPECT_EQ(code_of({entry}), std::errc::bad_message);
    }
}

TEST(Chunks, of_what_is_no_file_do_not_count) {
    LayerEntry entry = directory("a");
    entry.size_bytes = 7;
    entry.chunks = {Chunk{.size_bytes = 7}};
    const FileTree tree = build({entry});
    EXPECT_EQ(at(tree, "a").size_bytes, 0U);
    EXPECT_TRUE(tree.chunks.empty());
}

TEST(Limits, a_disk_is_no_larger_than_erofs_can_say) {
    EXPECT_TRUE(try_build({file("a", kDiskBytesMax)}));
    EXPECT_EQ(code_of({file("a", kDiskBytesMax + 1)}), std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({file("a", kDiskBytesMax), file("b", 1)}), std::errc::argument_out_of_domain);
}

TEST(Limits, no_path_grows_past_the_limit_by_way_of_symlinks) {
    std::string deep;
    while (deep.size() < kPathBytesMax - 2) {
        deep += "d/";
    }
    EXPECT_TRUE(try_build({file(deep + "f")}));
    // As long a path again below the deepest directory, through a short one.
    EXPECT_EQ(code_of({directory(deep), symlink("s", "/" + deep), file("s/" + deep)}),
              std::errc::argument_out_of_domain);
}

TEST(Limits, following_symlinks_is_bounded_for_the_whole_layer) {
    // Every path takes 250 symlinks with long targets: a megabyte to go through, each time.
    FileTreeBuilder builder;
    for (int i = 0; i < 250; ++i) {
        const std::string name = "s" + std::to_string(i);
        const std::string next = "s" + std::to_string(i + 1);
        ASSERT_TRUE(builder.add(symlink(name, "/" + std::string(4000, '/') + next)));
    }
    ASSERT_TRUE(builder.add(directory("s250")));
    Result<void> added;
    for (int i = 0; added && i < 100; ++i) {
        added = builder.add(file("s0/x" + std::to_string(i) + "/y"));
    }
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, std::errc::argument_out_of_domain);
}

TEST(Limits, the_text_of_all_entries_is_bounded) {
    const std::vector<Xattr> large{{"user.a", std::string(kXattrBytesMax - 6, 'v')}};
    const std::size_t fits = kLayerTextBytesMax / (kXattrBytesMax + 1);
    FileTreeBuilder builder;
    for (std::size_t i = 0; i < fits; ++i) {
        ASSERT_TRUE(builder.add(with_xattrs(file("a"), large)));  // even of entries replaced
    }
    EXPECT_EQ(builder.add(with_xattrs(file("a"), large)).error().code,
              std::errc::argument_out_of_domain);
}

TEST(Order, nodes_stand_as_in_the_layer_and_disk_offsets_as_in_the_blob) {
    const FileTree tree = build({file("z", 10, 100), file("a", 10, 300), file("dropped", 10, 400),
                                 file("m", 10, 200), file(".wh.dropped")});
    EXPECT_LT(tree.find("z"), tree.find("a"));
    EXPECT_LT(tree.find("a"), tree.find("m"));
    EXPECT_EQ(at(tree, "z").disk_offset_bytes, 0U);
    EXPECT_EQ(at(tree, "m").disk_offset_bytes, 4096U);
    EXPECT_EQ(at(tree, "a").disk_offset_bytes, 8192U);
    EXPECT_EQ(tree.disk_size_bytes, 12288U);
}

TEST(Size, a_directory_of_100000_names_twice_over) {
    FileTreeBuilder builder;
    for (int round = 0; round < 2; ++round) {
        for (std::uint64_t i = 0; i < 100'000; ++i) {
            ASSERT_TRUE(builder.add(file("d/" + std::to_string(i), 1, i)));
        }
    }
    for (int i = 0; i < 100'000; i += 2) {
        ASSERT_TRUE(builder.add(hardlink("e/" + std::to_string(i), "d/" + std::to_string(i))));
        ASSERT_TRUE(builder.add(file("d/.wh." + std::to_string(i + 1))));
    }
    const auto tree = std::move(builder).finish();
    ASSERT_TRUE(tree);
    test::check_sound(*tree);
    EXPECT_EQ(tree->nodes.size(), 100'003U);
    EXPECT_EQ(tree->chunks.size(), 50'000U);
    EXPECT_EQ(at(*tree, "d").entries.size(), 100'000U);
    EXPECT_EQ(at(*tree, "d/99998").link_count, 2U);
    EXPECT_EQ(at(*tree, "d/99999").type, FileType::character);
}

TEST(Size, long_chains_of_links_to_what_comes_later) {
    FileTreeBuilder builder;
    for (int i = 0; i < 50'000; ++i) {
        ASSERT_TRUE(builder.add(hardlink(std::to_string(i), std::to_string(i + 1))));
    }
    ASSERT_TRUE(builder.add(file("50000", 1)));
    const auto tree = std::move(builder).finish();
    ASSERT_TRUE(tree) << tree.error().message;
    test::check_sound(*tree);
    EXPECT_EQ(tree->nodes.size(), 2U);
    EXPECT_EQ(at(*tree, "0").link_count, 50'001U);
}

}  // namespace
}  // namespace lazybuild::codec
