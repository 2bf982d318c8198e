// SPDX-License-Identifier: Apache-2.0
// The images are checked by erofs-utils here; tests/unit/fuse/erofs_mount_test.cc has the kernel
// mount them.
#include "codec/erofs_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/fd.h"
#include "base/file.h"
#include "codec/erofs_format.h"
#include "tests/unit/codec/erofs_trees.h"

namespace lazybuild::codec {
namespace {

using test::TreeMaker;

struct ProgramResult {
    int exit_code = -1;
    std::string output;
};

ProgramResult run_program(const std::string& command) {
    ProgramResult result;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) {
        return result;
    }
    std::array<char, 4096> buffer;
    for (std::size_t size; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
        result.output.append(buffer.data(), size);
    }
    const int status = ::pclose(pipe);
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return result;
}

Bytes image_of(const FileTree& tree, const ErofsOptions& options = {}) {
    MemorySink sink;
    Result<void> written = write_erofs(tree, options, sink);
    EXPECT_TRUE(written) << written.error().message;
    return std::move(sink).take();
}

Error error_of(const FileTree& tree) {
    MemorySink sink;
    Result<void> written = write_erofs(tree, {}, sink);
    EXPECT_FALSE(written);
    return written ? Error{} : written.error();
}

/// An image, and the disk it wants, as files.
class ErofsUtils : public ::testing::Test {
  protected:
    void SetUp() override {
        if (run_program("fsck.erofs --help").exit_code == 127) {
            GTEST_SKIP() << "fsck.erofs is not installed (Debian package erofs-utils)";
        }
        ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    }
    void TearDown() override { EXPECT_TRUE(remove_tree(directory_)); }

    /// Runs fsck.erofs, which walks the tree and checks the superblock's checksum.
    ProgramResult fsck(const FileTree& tree) {
        Result<void> written = replace_file(image_path(), image_of(tree));
        EXPECT_TRUE(written);
        Result<Fd> disk = open_file(disk_path(), O_CREAT | O_RDWR);
        EXPECT_TRUE(disk);
        EXPECT_EQ(::ftruncate(disk->get(), static_cast<off_t>(tree.disk_size_bytes)), 0);
        return run_fsck();
    }

    // Debian 12's version exits with 0 whatever it finds: its words are what counts.
    ProgramResult run_fsck() const {
        return run_program("fsck.erofs -d3 --extract --device=" + disk_path() + " " + image_path());
    }

    std::string image_path() const { return directory_ + "/image"; }
    std::string disk_path() const { return directory_ + "/disk"; }

    std::string directory_ = "/tmp/lazybuild-erofs-XXXXXX";
};

void expect_clean(const ProgramResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_TRUE(result.output.contains("No errors found")) << result.output;
    EXPECT_FALSE(result.output.contains("<E>")) << result.output;
}

TEST_F(ErofsUtils, accepts_a_tree_of_everything) {
    expect_clean(fsck(test::everything_tree()));
}

TEST_F(ErofsUtils, accepts_an_empty_root) {
    expect_clean(fsck(TreeMaker{}.finish()));
}

TEST_F(ErofsUtils, accepts_a_directory_of_100000_entries) {
    expect_clean(fsck(test::wide_tree(100'000)));
}

// The other tests mean something only if this one passes.
TEST_F(ErofsUtils, notices_a_broken_checksum) {
    const FileTree tree = TreeMaker{}.finish();
    expect_clean(fsck(tree));
    Bytes image = image_of(tree);
    image[erofs::kSuperblockOffsetBytes + sizeof(erofs::Superblock)] ^= std::byte{1};
    ASSERT_TRUE(replace_file(image_path(), image));
    const ProgramResult result = run_fsck();
    EXPECT_TRUE(result.output.contains("chksum doesn't match")) << result.output;
}

TEST_F(ErofsUtils, dump_names_what_the_superblock_says) {
    const FileTree tree = test::everything_tree();
    expect_clean(fsck(tree));
    const std::string dump =
        run_program("dump.erofs -s --device=" + disk_path() + " " + image_path()).output;
    EXPECT_TRUE(dump.contains("Filesystem inode count:                       " +
                              std::to_string(tree.nodes.size())))
        << dump;
}

/// Directories whose sizes hit every alignment of tails and blocks, with xattrs of every length.
TEST_F(ErofsUtils, accepts_random_trees) {
    std::mt19937 random(20'260'101);
    const auto below = [&](std::uint32_t end) {
        return static_cast<std::uint32_t>(random() % end);
    };
    for (int round = 0; round < 40; ++round) {
        TreeMaker maker;
        std::vector<std::string> directories{""};
        for (std::uint32_t i = 0, count = 1 + below(600); i < count; ++i) {
            std::string path = directories[below(static_cast<std::uint32_t>(directories.size()))];
            path += std::to_string(i) + std::string(below(240), 'n');
            const std::uint32_t kind = below(8);
            const NodeId node = kind == 0   ? maker.directory(path)
                                : kind == 1 ? maker.symlink(path, std::string(1 + below(4095), 's'))
                                            : maker.file(path, below(3) == 0 ? 0 : below(20'000));
            if (kind == 0) {
                directories.push_back(path + "/");
            }
            if (below(3) == 0) {
                maker.node(node).xattrs = {
                    {.name = "user." + std::string(1 + below(200), 'x'),
                     .value = std::string(below(below(2) == 0 ? 20 : 9000), 'v')}};
            }
        }
        expect_clean(fsck(maker.finish()));
        if (HasFailure()) {
            FAIL() << "in round " << round;
        }
    }
}

TEST(ErofsWriter, writes_equal_trees_equally) {
    EXPECT_EQ(image_of(test::everything_tree()), image_of(test::everything_tree()));
}

TEST(ErofsWriter, makes_the_uuid_from_the_identity) {
    Digest::Raw raw;
    raw.fill(std::byte{0xFF});
    const Bytes one = image_of(TreeMaker{}.finish());
    const Bytes other = image_of(TreeMaker{}.finish(), {.identity = Digest{raw}});
    const std::size_t uuid_at = erofs::kSuperblockOffsetBytes + offsetof(erofs::Superblock, uuid);
    EXPECT_EQ(to_hex(ByteView{other}.subspan(uuid_at, 16)), "ffffffffffff8fffbfffffffffffffff");
    EXPECT_EQ(to_hex(ByteView{one}.subspan(uuid_at, 16)), "00000000000080008000000000000000");
}

TEST(ErofsWriter, does_not_recurse_into_deep_directories) {
    const FileTree tree = test::deep_tree(1'000'000);
    const Bytes image = image_of(tree);
    EXPECT_GE(image.size(), tree.nodes.size() * sizeof(erofs::ExtendedInode));
}

TEST(ErofsWriter, writes_only_what_the_root_reaches) {
    FileTree tree = TreeMaker{}.finish();
    const Bytes before = image_of(tree);
    tree.nodes.push_back({.type = FileType::regular});
    EXPECT_EQ(image_of(tree), before);
}

TEST(ErofsWriter, leaves_out_xattrs_that_no_file_system_has) {
    const Bytes plain = image_of(TreeMaker{}.finish());
    FileTree tree = TreeMaker{}.finish();
    tree.nodes[kRootNode].xattrs = {{.name = "btrfs.compression", .value = "zstd"},
                                    {.name = "system.unknown", .value = "1"},
                                    {.name = "user.", .value = "1"},
                                    {.name = "", .value = "1"}};
    EXPECT_EQ(image_of(tree), plain);
}

TEST(ErofsWriter, fails_when_the_sink_fails) {
    class FullSink : public ByteSink {
        Result<void> write(ByteView) override { return fail(errno_error("write", ENOSPC)); }
    } sink;
    Result<void> written = write_erofs(test::everything_tree(), {}, sink);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, std::errc::no_space_on_device);
}

TEST(ErofsWriter, refuses_a_directory_with_two_names) {
    FileTree tree = TreeMaker{}.finish();
    tree.nodes.emplace_back();
    tree.nodes[kRootNode].entries = {{.name = "a", .node = 1}, {.name = "b", .node = 1}};
    EXPECT_EQ(error_of(tree).code, std::errc::invalid_argument);
    tree.nodes[kRootNode].entries = {{.name = "a", .node = 1}};
    tree.nodes[1].entries = {{.name = "loop", .node = kRootNode}};
    EXPECT_TRUE(error_of(tree).message.starts_with("/a/loop: ")) << error_of(tree).message;
}

TEST(ErofsWriter, refuses_impossible_names) {
    for (std::string name : {std::string{}, std::string{"."}, std::string{".."}, std::string{"a/b"},
                             std::string{"a\0b", 3}, std::string(256, 'n')}) {
        FileTree tree = TreeMaker{}.finish();
        tree.nodes.push_back({.type = FileType::regular});
        tree.nodes[kRootNode].entries = {{.name = name, .node = 1}};
        EXPECT_EQ(error_of(tree).code, std::errc::invalid_argument) << name;
    }
}

TEST(ErofsWriter, refuses_unsorted_and_doubled_names) {
    FileTree tree = TreeMaker{}.finish();
    tree.nodes.push_back({.type = FileType::regular});
    tree.nodes[kRootNode].entries = {{.name = "b", .node = 1}, {.name = "a", .node = 1}};
    EXPECT_EQ(error_of(tree).code, std::errc::invalid_argument);
    tree.nodes[kRootNode].entries = {{.name = "b", .node = 1}, {.name = "b", .node = 1}};
    EXPECT_EQ(error_of(tree).code, std::errc::invalid_argument);
}

TEST(ErofsWriter, refuses_entries_without_a_node) {
    FileTree tree = TreeMaker{}.finish();
    tree.nodes[kRootNode].entries = {{.name = "a", .node = 1}};
    EXPECT_EQ(error_of(tree).code, std::errc::invalid_argument);
    EXPECT_EQ(error_of(FileTree{}).code, std::errc::invalid_argument);
}

TEST(ErofsWriter, refuses_files_outside_the_disk) {
    TreeMaker maker;
    const NodeId file = maker.file("file", 5000);
    FileTree tree = maker.finish();
    tree.nodes[file].disk_offset_bytes = 4096;
    EXPECT_EQ(error_of(tree).message, "/file: not on the disk");
    tree.nodes[file].disk_offset_bytes = 1;
    EXPECT_EQ(error_of(tree).code, std::errc::invalid_argument);
    tree.nodes[file].disk_offset_bytes = ~std::uint64_t{4095};
    EXPECT_EQ(error_of(tree).code, std::errc::invalid_argument);
}

TEST(ErofsWriter, refuses_what_the_format_cannot_say) {
    const auto code_of = [](Node node, std::uint64_t disk_size_bytes) {
        TreeMaker maker;
        maker.add("x", std::move(node));
        FileTree tree = maker.finish();
        tree.disk_size_bytes = disk_size_bytes;
        return error_of(tree).code;
    };
    constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
    EXPECT_EQ(code_of({}, 16 * kTiB), std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({.type = FileType::regular, .size_bytes = 8 * kTiB + 1}, 9 * kTiB),
              std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({.type = FileType::block, .device_major = 4096}, 0),
              std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({.type = FileType::character, .device_minor = 1 << 20}, 0),
              std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({.type = FileType::symlink, .link_target = std::string(4096, 'x')}, 0),
              std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({.xattrs = {{.name = "user.x", .value = std::string(65536, 'x')}}}, 0),
              std::errc::argument_out_of_domain);
    EXPECT_EQ(code_of({.xattrs = {{.name = "user." + std::string(256, 'x'), .value = ""}}}, 0),
              std::errc::argument_out_of_domain);
    std::vector<Xattr> many;
    for (char letter : {'a', 'b', 'c', 'd', 'e'}) {
        many.push_back({.name = std::string{"user."} + letter, .value = std::string(60'000, 'x')});
    }
    EXPECT_EQ(code_of({.xattrs = many}, 0), std::errc::argument_out_of_domain);
}

}  // namespace
}  // namespace lazybuild::codec
