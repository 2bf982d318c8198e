// SPDX-License-Identifier: Apache-2.0
// SHA-256 of batches of chunks, in bytes per second: as one stream after the other by OpenSSL, with
// and without SHA-NI, and side by side in each kernel that this CPU has.
//
// The figure that counts is a ratio: lanes against a stream on a CPU without SHA-NI. OpenSSL can be
// told to leave SHA-NI alone, but only when it starts; so a second process of this program does
// that stream, in turns with the lanes in this one, and what disturbs the machine disturbs both.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <optional>
#include <random>

#include "base/fd.h"
#include "codec/sha256.h"
#include "codec/sha256_many.h"

namespace lazybuild {
namespace {

using codec::Sha256Kernel;
using Seconds = std::chrono::duration<double>;

constexpr const char* kServe = "--serve-stream";
constexpr const char* kWithoutShaNi = ":~0x20000000";  // OPENSSL_ia32cap(3): bit 29 of CPUID 7 EBX

/// Chunks of one buffer.
struct Batch {
    const char* name;
    Bytes content;
    std::vector<ByteView> chunks;
};

Batch equal_chunks(const char* name, std::size_t chunk_bytes, std::size_t count) {
    Batch batch{.name = name, .content = Bytes(chunk_bytes * count, std::byte{'a'}), .chunks = {}};
    for (std::size_t i = 0; i < count; ++i) {
        batch.chunks.push_back(ByteView{batch.content}.subspan(i * chunk_bytes, chunk_bytes));
    }
    return batch;
}

/// Any power of two as likely as the next: what the files of an image look like.
Batch mixed_chunks() {
    constexpr std::size_t kCount = 200;
    constexpr int kSmallestLog2 = 9;
    constexpr int kLargestLog2 = 20;
    std::mt19937 random(1);
    std::uniform_real_distribution<double> log2(kSmallestLog2, kLargestLog2);
    std::vector<std::size_t> sizes(kCount);
    std::size_t total = 0;
    for (std::size_t& size : sizes) {
        size = static_cast<std::size_t>(std::exp2(log2(random)));
        total += size;
    }
    Batch batch{.name = "mixed", .content = Bytes(total, std::byte{'a'}), .chunks = {}};
    std::size_t at = 0;
    for (const std::size_t size : sizes) {
        batch.chunks.push_back(ByteView{batch.content}.subspan(at, size));
        at += size;
    }
    return batch;
}

const std::vector<Batch>& batches() {
    static const std::vector<Batch> all = [] {
        std::vector<Batch> made;
        made.push_back(equal_chunks("4KiB", 4 << 10, 256));
        made.push_back(equal_chunks("64KiB", 64 << 10, 64));
        made.push_back(equal_chunks("1MiB", 1 << 20, 32));
        made.push_back(mixed_chunks());
        return made;
    }();
    return all;
}

void hash_as_streams(const Batch& batch) {
    for (const ByteView chunk : batch.chunks) {
        benchmark::DoNotOptimize(codec::sha256(chunk));
    }
}

/// With what pays beside a stream without SHA-NI.
void hash_in_lanes(const Batch& batch, Sha256Kernel kernel, bool sha_instructions) {
    static std::vector<codec::Digest> digests;
    digests.resize(batch.chunks.size());
    codec::sha256_each(codec::sha256_plan_for(kernel, sha_instructions), batch.chunks, digests);
    benchmark::DoNotOptimize(digests.data());
}

/// Of the processor, not of the clock: a busy neighbour that gets the processor in between, in one
/// of the two processes but not in the other, is no part of the figure.
template <class Work>
Seconds time_of(Work work) {
    const auto now = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
    };
    const auto begin = now();
    work();
    return now() - begin;
}

/// What OpenSSL believes the CPU to have, after OPENSSL_ia32cap: CPUID leaf 7, EBX.
std::uint32_t openssl_features() {
    const std::string_view text = OPENSSL_info(OPENSSL_INFO_CPU_SETTINGS);
    const std::size_t colon = text.find(':');
    return colon == text.npos
               ? 0
               : static_cast<std::uint32_t>(std::strtoull(text.data() + colon + 1, nullptr, 16));
}

/// The second process: for each batch asked for, the seconds that its streams take.
int serve(int fd) {
    constexpr std::uint32_t kShaNi = 1U << 29;
    constexpr std::uint32_t kAvx2 = 1U << 5;
    if (const std::uint32_t features = openssl_features();
        (features & kShaNi) != 0 || (features & kAvx2) == 0) {
        std::cerr << "OpenSSL's features are not those of a CPU with AVX2 and without SHA-NI\n";
        return EXIT_FAILURE;
    }
    std::uint32_t asked = 0;
    while (::read(fd, &asked, sizeof asked) == sizeof asked && asked < batches().size()) {
        const double seconds = time_of([asked] { hash_as_streams(batches()[asked]); }).count();
        if (::write(fd, &seconds, sizeof seconds) != sizeof seconds) {
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

/// This program once more, with SHA-NI masked; it ends when this object does.
class StreamWithoutShaNi {
  public:
    static StreamWithoutShaNi& instance() {
        static StreamWithoutShaNi only;
        return only;
    }

    /// None when the other process is not there any more.
    std::optional<Seconds> hash(std::size_t batch) {
        const auto asked = static_cast<std::uint32_t>(batch);
        double seconds = 0;
        if (::send(fd_.get(), &asked, sizeof asked, MSG_NOSIGNAL) != sizeof asked ||
            ::recv(fd_.get(), &seconds, sizeof seconds, MSG_WAITALL) != sizeof seconds) {
            return std::nullopt;
        }
        return Seconds{seconds};
    }

  private:
    StreamWithoutShaNi() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
            return;
        }
        fd_ = Fd(ends[0]);
        const Fd other(ends[1]);
        if (::fork() == 0) {
            ::dup2(other.get(), STDIN_FILENO);
            ::setenv("OPENSSL_ia32cap", kWithoutShaNi, 1);
            ::execl("/proc/self/exe", "digest_bench", kServe, nullptr);
            ::_exit(EXIT_FAILURE);
        }
    }

    Fd fd_;
};

void set_rate(benchmark::State& state, const Batch& batch) {
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.content.size()));
}

void streams(benchmark::State& state, std::size_t index) {
    const Batch& batch = batches()[index];
    for ([[maybe_unused]] auto round : state) {
        hash_as_streams(batch);
    }
    set_rate(state, batch);
}

void streams_without_sha_ni(benchmark::State& state, std::size_t index) {
    for ([[maybe_unused]] auto round : state) {
        const std::optional<Seconds> seconds = StreamWithoutShaNi::instance().hash(index);
        if (!seconds) {
            state.SkipWithError("the process without SHA-NI is gone");
            return;
        }
        state.SetIterationTime(seconds->count());
    }
    set_rate(state, batches()[index]);
}

void lanes(benchmark::State& state, std::size_t index, Sha256Kernel kernel) {
    const Batch& batch = batches()[index];
    for ([[maybe_unused]] auto round : state) {
        hash_in_lanes(batch, kernel, codec::sha256_instructions_here());
    }
    set_rate(state, batch);
}

/// Filled by lanes_to_stream, printed at the end.
std::vector<std::string> verdicts;

/// Both in turns; the rate is the lanes', the counter how many times the stream's that is.
void lanes_to_stream(benchmark::State& state, std::size_t index, Sha256Kernel kernel) {
    const Batch& batch = batches()[index];
    Seconds in_lanes{};
    Seconds as_streams{};
    for ([[maybe_unused]] auto round : state) {
        const std::optional<Seconds> stream = StreamWithoutShaNi::instance().hash(index);
        if (!stream) {
            state.SkipWithError("the process without SHA-NI is gone");
            return;
        }
        const Seconds lane = time_of([&] { hash_in_lanes(batch, kernel, false); });
        as_streams += *stream;
        in_lanes += lane;
        state.SetIterationTime(lane.count());
    }
    set_rate(state, batch);
    const double ratio = as_streams / in_lanes;
    state.counters["times_stream"] = ratio;
    // The library calls a benchmark several times, to find out how often to repeat it: the last
    // counts.
    const std::string what = fmt::format(
        "{} to one stream without SHA-NI, {} chunks: ", sha256_kernel_name(kernel), batch.name);
    std::erase_if(verdicts, [&what](const std::string& line) { return line.starts_with(what); });
    verdicts.push_back(fmt::format("{}{:.2f} times", what, ratio));
}

void register_all() {
    for (std::size_t i = 0; i < batches().size(); ++i) {
        const char* batch = batches()[i].name;
        const auto add = [batch](std::string_view name, auto function, auto... arguments) {
            return benchmark::RegisterBenchmark(fmt::format("{}/{}", name, batch).c_str(), function,
                                                arguments...)
                ->Unit(benchmark::kMicrosecond);
        };
        add("openssl", streams, i);
        add("openssl_without_sha_ni", streams_without_sha_ni, i)->UseManualTime();
        for (const Sha256Kernel kernel : codec::sha256_kernels_here()) {
            if (kernel != Sha256Kernel::openssl) {
                const std::string name{sha256_kernel_name(kernel)};
                add(name, lanes, i, kernel);
                add(name + "_to_stream_without_sha_ni", lanes_to_stream, i, kernel)
                    ->UseManualTime();
            }
        }
    }
}

}  // namespace
}  // namespace lazybuild

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view{argv[1]} == lazybuild::kServe) {
        return lazybuild::serve(STDIN_FILENO);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return EXIT_FAILURE;
    }
    lazybuild::register_all();
    benchmark::RunSpecifiedBenchmarks();
    for (const std::string& line : lazybuild::verdicts) {
        std::cerr << line << '\n';
    }
    return EXIT_SUCCESS;
}
