// SPDX-License-Identifier: Apache-2.0
// Reading one tree that is mounted in several ways: read_bench NAME=DIRECTORY… [--benchmark_…].
// The first is what the others are compared with. read_bench.sh makes the mounts.
//
// Warm: everything was read once, and is in the kernel's caches as far as the file system keeps it
// there. Cold: the kernel's caches are dropped before each round, whose time is not counted. Times
// are the clock's, since work is done outside of this process too; processor_ms is this thread's
// part of it, which is nearly all when warm. Run it interleaved, so that what disturbs the machine
// disturbs every mount.
#include <benchmark/benchmark.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <functional>
#include <iostream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "bench/corpus.h"

namespace lazybuild::bench {
namespace {

constexpr std::uint64_t kSmallBytesMax = 64 << 10;
constexpr std::size_t kReadBytes = 128 << 10;
constexpr std::size_t kPageBytes = 4096;
constexpr int kRandomReads = 2000;
constexpr double kMillisecondsPerSecond = 1000;

using Seconds = std::chrono::duration<double>;

struct File {
    std::string path;  ///< below the mount
    std::uint64_t size_bytes;
};

/// What every mount holds.
struct Tree {
    std::vector<File> small;  ///< not empty, in no order
    std::vector<File> large;  ///< the rest of the regular files, the largest first
    std::uint64_t large_bytes = 0;
    std::size_t entries = 0;
};

struct Mount {
    std::string name;
    std::string directory;
};

/// Calls visit(path, status) for everything below `directory`, as find(1) and `ls -lR` walk.
void walk(const std::string& directory,
          const std::function<void(const std::string&, const struct stat&)>& visit) {
    DIR* opened = ::opendir(directory.c_str());
    if (opened == nullptr) {
        give_up(directory + ": " + std::strerror(errno));
    }
    std::vector<std::string> below;
    while (const dirent* entry = ::readdir(opened)) {
        const std::string_view name{entry->d_name};
        if (name == "." || name == "..") {
            continue;
        }
        struct stat status{};
        if (::fstatat(::dirfd(opened), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            give_up(fmt::format("{}/{}: {}", directory, name, std::strerror(errno)));
        }
        std::string path = fmt::format("{}/{}", directory, name);
        visit(path, status);
        if (S_ISDIR(status.st_mode)) {
            below.push_back(std::move(path));
        }
    }
    ::closedir(opened);
    for (const std::string& path : below) {
        walk(path, visit);
    }
}

Tree scan(const std::string& directory) {
    Tree tree;
    walk(directory, [&](const std::string& path, const struct stat& status) {
        ++tree.entries;
        const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
        if (S_ISREG(status.st_mode) && size_bytes > 0) {
            auto& files = size_bytes <= kSmallBytesMax ? tree.small : tree.large;
            files.push_back({.path = path.substr(directory.size()), .size_bytes = size_bytes});
            tree.large_bytes += size_bytes > kSmallBytesMax ? size_bytes : 0;
        }
    });
    std::ranges::shuffle(tree.small, std::mt19937{1});
    std::ranges::sort(tree.large, std::greater<>{}, &File::size_bytes);
    if (tree.small.empty() || tree.large.empty()) {
        give_up(directory + " has no small or no large files");
    }
    return tree;
}

Fd open_in(const Mount& mount, const File& file) {
    const std::string path = mount.directory + file.path;
    Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd) {
        give_up(path + ": " + std::strerror(errno));
    }
    return fd;
}

void read_all(const Mount& mount, const File& file) {
    static Bytes buffer(kReadBytes);
    const Fd fd = open_in(mount, file);
    std::uint64_t got = 0;
    ssize_t some = 0;
    while ((some = ::read(fd.get(), buffer.data(), buffer.size())) > 0) {
        got += static_cast<std::uint64_t>(some);
    }
    if (some < 0 || got != file.size_bytes) {
        give_up(fmt::format("{}{}: {} of {} bytes read", mount.directory, file.path, got,
                            file.size_bytes));
    }
}

void walk_and_lstat(const Tree& tree, const Mount& mount) {
    std::size_t entries = 0;
    walk(mount.directory, [&](const std::string&, const struct stat&) { ++entries; });
    if (entries != tree.entries) {
        give_up(fmt::format("{} has {} entries, not {}", mount.directory, entries, tree.entries));
    }
}

void open_small(const Tree& tree, const Mount& mount) {
    for (const File& file : tree.small) {
        const Fd fd = open_in(mount, file);
        struct stat status{};
        benchmark::DoNotOptimize(::fstat(fd.get(), &status));
    }
}

void read_small(const Tree& tree, const Mount& mount) {
    for (const File& file : tree.small) {
        read_all(mount, file);
    }
}

void read_large(const Tree& tree, const Mount& mount) {
    for (const File& file : tree.large) {
        read_all(mount, file);
    }
}

/// Single pages of the largest file, anywhere.
void read_random(const Tree& tree, const Mount& mount) {
    const File& file = tree.large.front();
    const Fd fd = open_in(mount, file);
    std::mt19937_64 random{2};
    std::array<std::byte, kPageBytes> page;
    for (int i = 0; i < kRandomReads; ++i) {
        const auto offset = static_cast<off_t>(random() % (file.size_bytes - kPageBytes));
        if (::pread(fd.get(), page.data(), page.size(), offset) != ssize_t{kPageBytes}) {
            give_up(mount.directory + file.path + ": " + std::strerror(errno));
        }
    }
}

void drop_caches() {
    const Fd fd{::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC)};
    ::sync();
    if (!fd || ::write(fd.get(), "3", 1) != 1) {
        give_up("the kernel's caches cannot be dropped: needs root");
    }
}

/// Of this thread: what a neighbour that gets the processor in between does not disturb.
Seconds processor_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

enum class Caches { warm, cold };
using Job = void (*)(const Tree&, const Mount&);

void add(const std::string& name, const Tree& tree, const Mount& mount, bool baseline, Job job,
         Caches caches) {
    benchmark::RegisterBenchmark(
        fmt::format("{}/{}", name, mount.name).c_str(),
        [&tree, &mount, baseline, job, caches](benchmark::State& state) {
            if (caches == Caches::warm) {
                job(tree, mount);
            }
            Seconds processor{0};
            for ([[maybe_unused]] auto round : state) {
                if (caches == Caches::cold) {
                    drop_caches();
                }
                const auto begin = std::chrono::steady_clock::now();
                const Seconds processor_begin = processor_time();
                job(tree, mount);
                processor += processor_time() - processor_begin;
                state.SetIterationTime(Seconds{std::chrono::steady_clock::now() - begin}.count());
            }
            state.counters["processor_ms"] = benchmark::Counter(
                processor.count() * kMillisecondsPerSecond, benchmark::Counter::kAvgIterations);
            state.SetLabel(baseline ? "baseline" : "");
        })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
}

void add_all(const Tree& tree, const std::vector<Mount>& mounts) {
    const std::string small = fmt::format("{} small files", tree.small.size());
    const std::string large = fmt::format("{} MiB of large files", tree.large_bytes >> 20);
    const std::string entries = fmt::format("{} entries", tree.entries);
    for (const Mount& mount : mounts) {
        const bool baseline = &mount == &mounts.front();
        const auto both = [&](const std::string& name, Job job) {
            add("warm: " + name, tree, mount, baseline, job, Caches::warm);
            add("cold: " + name, tree, mount, baseline, job, Caches::cold);
        };
        both("walk and lstat, " + entries, walk_and_lstat);
        both("open and fstat, " + small, open_small);
        both("open and read, " + small, read_small);
        both("sequential, " + large, read_large);
        both(fmt::format("{} random pages", kRandomReads), read_random);
    }
}

std::vector<Mount> mounts_of(std::span<char*> arguments) {
    std::vector<Mount> mounts;
    for (const std::string_view argument : arguments) {
        const std::size_t equals = argument.find('=');
        if (equals == std::string_view::npos || argument.starts_with('-')) {
            give_up(fmt::format("{}: not NAME=DIRECTORY", argument));
        }
        mounts.push_back({.name = std::string{argument.substr(0, equals)},
                          .directory = std::string{argument.substr(equals + 1)}});
    }
    if (mounts.empty()) {
        give_up("usage: read_bench NAME=DIRECTORY… [--benchmark_…]");
    }
    return mounts;
}

}  // namespace
}  // namespace lazybuild::bench

int main(int argc, char** argv) {
    namespace bench = lazybuild::bench;
    benchmark::Initialize(&argc, argv);
    const auto mounts = bench::mounts_of({argv + 1, argv + argc});
    const bench::Tree tree = bench::scan(mounts.front().directory);
    bench::add_all(tree, mounts);
    benchmark::RunSpecifiedBenchmarks();
    return EXIT_SUCCESS;
}
