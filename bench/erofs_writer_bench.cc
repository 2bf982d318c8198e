// SPDX-License-Identifier: Apache-2.0
// Writing the metadata image of a layer, in inodes per second. Beside it mkfs.erofs making an image
// of a directory with as many empty files: it has to find them on a disk, which is why the ratio
// says what a layer costs without our writer, and not how fast two loops are.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/file.h"
#include "base/stream.h"
#include "bench/corpus.h"
#include "codec/erofs_writer.h"
#include "codec/sha256.h"

namespace lazybuild::bench {
namespace {

constexpr std::size_t kFilesPerDirectory = 20;

class CountingSink final : public ByteSink {
  public:
    Result<void> write(ByteView bytes) override {
        count_bytes += bytes.size();
        return {};
    }
    std::size_t count_bytes = 0;
};

codec::FileTree tree_of(std::size_t inodes) {
    codec::FileTreeBuilder builder;
    std::uint64_t blob_offset = 0;
    const codec::Digest digest = codec::sha256(as_bytes("x"));
    for (std::size_t i = 0; i < inodes; ++i) {
        const std::string directory = fmt::format("directory-{:06}", i / kFilesPerDirectory);
        codec::LayerEntry entry{
            .type = codec::FileType::directory, .path = directory, .mode = 0755};
        if (i % kFilesPerDirectory != 0) {
            entry = {
                .path = fmt::format("{}/file-{}", directory, i), .mode = 0644, .size_bytes = 1};
            entry.chunks = {{.size_bytes = 1,
                             .blob_offset_bytes = blob_offset,
                             .blob_size_bytes = 1,
                             .digest = digest}};
            ++blob_offset;
        }
        check(builder.add(std::move(entry)));
    }
    return value_of(std::move(builder).finish());
}

void write_ours(benchmark::State& state) {
    const codec::FileTree tree = tree_of(static_cast<std::size_t>(state.range(0)));
    std::size_t image_bytes = 0;
    for ([[maybe_unused]] auto round : state) {
        CountingSink sink;
        check(codec::write_erofs(tree, {.identity = codec::sha256(as_bytes("bench"))}, sink));
        image_bytes = sink.count_bytes;
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.counters["bytes_per_inode"] =
        static_cast<double>(image_bytes) / static_cast<double>(state.range(0));
}
BENCHMARK(write_ours)
    ->Name("erofs_image/ours")
    ->Arg(10'000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond);

/// A directory of so many files, gone at the end.
class Directory {
  public:
    explicit Directory(std::size_t inodes) {
        char pattern[] = "/var/tmp/lazybuild-bench-XXXXXX";
        path_ = ::mkdtemp(pattern);
        for (std::size_t i = 0; i < inodes; ++i) {
            const std::string directory =
                fmt::format("{}/tree/directory-{:06}", path_, i / kFilesPerDirectory);
            if (i % kFilesPerDirectory == 0) {
                check(make_directories(directory));
            } else {
                value_of(open_file(fmt::format("{}/file-{}", directory, i), O_CREAT | O_WRONLY));
            }
        }
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { [[maybe_unused]] const auto removed = remove_tree(path_); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

bool run_mkfs(const std::string& image, const std::string& tree) {
    std::array<std::string, 4> words{"mkfs.erofs", "--quiet", image, tree};
    std::array<char*, 5> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        arguments[i] = words[i].data();
    }
    pid_t pid = 0;
    int status = -1;
    return ::posix_spawnp(&pid, "mkfs.erofs", nullptr, nullptr, arguments.data(), environ) == 0 &&
           ::waitpid(pid, &status, 0) == pid && status == 0;
}

void write_mkfs(benchmark::State& state) {
    const Directory directory{static_cast<std::size_t>(state.range(0))};
    for ([[maybe_unused]] auto round : state) {
        if (!run_mkfs(directory.path() + "/image", directory.path() + "/tree")) {
            state.SkipWithError("mkfs.erofs does not run (package erofs-utils)");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.SetLabel("baseline");
}
BENCHMARK(write_mkfs)
    ->Name("erofs_image/mkfs.erofs")
    ->Arg(10'000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lazybuild::bench

BENCHMARK_MAIN();
