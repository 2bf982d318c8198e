// SPDX-License-Identifier: Apache-2.0
// Deflating, in uncompressed bytes per second: each of our levels, and zlib's 1, 6 and 9. The
// counter size_to_zlib_9 says how much larger the result is than zlib's smallest.
#include <benchmark/benchmark.h>

#include "bench/corpus.h"
#include "codec/gzip_member.h"

namespace lazybuild::bench {
namespace {

constexpr int kZlibLevelMax = 9;
constexpr int kOurLevelMax = 9;  // higher ones are for those who have all day

void report(benchmark::State& state, std::size_t compressed_bytes) {
    static const std::size_t smallest_bytes = zlib_gzip(real_bytes(), kZlibLevelMax).size();
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kRealBytes));
    state.counters["size_to_zlib_9"] =
        static_cast<double>(compressed_bytes) / static_cast<double>(smallest_bytes);
}

void deflate_ours(benchmark::State& state) {
    const Bytes& input = real_bytes();
    codec::MemberCompressor compressor{static_cast<int>(state.range(0))};
    Bytes member;
    for ([[maybe_unused]] auto round : state) {
        member.clear();
        compressor.append(input, member);
    }
    report(state, member.size());
}
BENCHMARK(deflate_ours)
    ->Name("deflate/ours-level")
    ->DenseRange(codec::kMemberLevelMin, kOurLevelMax)
    ->Unit(benchmark::kMillisecond);

void deflate_zlib(benchmark::State& state) {
    const Bytes& input = real_bytes();
    std::size_t compressed_bytes = 0;
    for ([[maybe_unused]] auto round : state) {
        compressed_bytes = zlib_gzip(input, static_cast<int>(state.range(0))).size();
    }
    report(state, compressed_bytes);
    if (state.range(0) == kZlibLevelMax) {
        state.SetLabel("baseline");
    }
}
BENCHMARK(deflate_zlib)
    ->Name("deflate/zlib-level")
    ->Arg(1)
    ->Arg(6)
    ->Arg(kZlibLevelMax)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lazybuild::bench

BENCHMARK_MAIN();
