// SPDX-License-Identifier: Apache-2.0
// From the table of contents of a layer of 100,000 files to its mount, step by step and in all, in
// files per second, with the memory that it takes at its peak. What else a first mount waits for is
// two round trips to the registry; mount_image.sh measures those with it.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "bench/corpus.h"
#include "bench/peak_memory.h"
#include "codec/estargz_format.h"
#include "codec/estargz_toc.h"
#include "codec/sha256.h"
#include "fuse/mounts.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::bench {
namespace {

constexpr std::size_t kFiles = 100'000;
constexpr std::size_t kFileBytes = 100;

const BlobTail& tail() {
    static const BlobTail made = estargz_tail_of_files(kFiles, kFileBytes);
    return made;
}

/// On a real file system: EROFS is not mounted from tmpfs.
class Directory {
  public:
    Directory() {
        const char* base = std::getenv("LAZYBUILD_TEST_TMP");
        path_ = std::string{base == nullptr ? "/var/tmp" : base} + "/lazybuild-bench-XXXXXX";
        if (::mkdtemp(path_.data()) == nullptr) {
            give_up("cannot make " + path_);
        }
        check(make_directories(layer()));
        check(make_directories(target()));
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { [[maybe_unused]] const auto removed = remove_tree(path_); }

    std::string layer() const { return path_ + "/layer"; }
    std::string target() const { return path_ + "/target"; }

  private:
    std::string path_;
};

codec::Toc read_toc(const BlobTail& from) {
    return value_of(codec::read_toc(from.toc_members, from.toc_offset_bytes, std::nullopt));
}

void write_files(const Directory& directory, const codec::Toc& toc, const BlobTail& from) {
    check(store::make_layer_files(directory.layer(), toc.tree, codec::sha256(as_bytes("bench")),
                                  codec::kEstargzFormat, from.toc_offset_bytes));
}

Result<void> mount(const Directory& directory) {
    return fuse::mount_erofs({.image_path = store::tree_path(directory.layer()),
                              .device_path = store::disk_path(directory.layer()),
                              .target = directory.target()});
}

void report(benchmark::State& state, double peak_mib) {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kFiles));
    state.counters["peak_MiB"] = peak_mib;
}

void toc_to_tree(benchmark::State& state) {
    const BlobTail& from = tail();
    double peak_mib = 0;
    for ([[maybe_unused]] auto round : state) {
        const PeakMemory peak;
        benchmark::DoNotOptimize(read_toc(from).tree.nodes.data());
        peak_mib = peak.mib();
    }
    report(state, peak_mib);
}
BENCHMARK(toc_to_tree)->Name("mount/TOC to tree")->UseRealTime()->Unit(benchmark::kMillisecond);

void tree_to_files(benchmark::State& state) {
    const codec::Toc toc = read_toc(tail());
    double peak_mib = 0;
    for ([[maybe_unused]] auto round : state) {
        state.PauseTiming();
        const Directory directory;
        const PeakMemory peak;
        state.ResumeTiming();
        write_files(directory, toc, tail());
        state.PauseTiming();
        peak_mib = peak.mib();
        state.ResumeTiming();
    }
    report(state, peak_mib);
}
BENCHMARK(tree_to_files)
    ->Name("mount/tree to EROFS image and chunk table, on disk")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void everything(benchmark::State& state) {
    const BlobTail& from = tail();
    double peak_mib = 0;
    for ([[maybe_unused]] auto round : state) {
        state.PauseTiming();
        const Directory directory;
        const PeakMemory peak;
        state.ResumeTiming();
        write_files(directory, read_toc(from), from);
        const auto mounted = mount(directory);
        state.PauseTiming();
        if (!mounted) {
            state.SkipWithError(mounted.error().message.c_str());
            break;
        }
        peak_mib = peak.mib();
        check(fuse::unmount(directory.target(), fuse::UnmountMode::now));
        state.ResumeTiming();
    }
    report(state, peak_mib);
}
BENCHMARK(everything)
    ->Name("mount/everything, from TOC to mount(2)")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lazybuild::bench

int main(int argc, char** argv) {
    // What ctest shows as skipped.
    constexpr int kSkipped = 77;
    if (::geteuid() != 0) {
        return kSkipped;
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return EXIT_SUCCESS;
}
