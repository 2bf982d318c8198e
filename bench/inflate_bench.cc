// SPDX-License-Identifier: Apache-2.0
// Inflating what zlib compressed, in uncompressed bytes per second: ours (ISA-L), and zlib.
#include <benchmark/benchmark.h>
#include <zlib.h>

#include "base/stream.h"
#include "bench/corpus.h"
#include "codec/gzip.h"

namespace lazybuild::bench {
namespace {

constexpr int kLevel = 6;  // what most layers out there were made with

const Bytes& compressed() {
    static const Bytes bytes = zlib_gzip(real_bytes(), kLevel);
    return bytes;
}

void set_rate(benchmark::State& state) {
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kRealBytes));
}

void inflate_ours(benchmark::State& state) {
    Bytes buffer(256 << 10);
    const Bytes& input = compressed();
    for ([[maybe_unused]] auto round : state) {
        MemorySource source{input};
        codec::GzipSource gzip{source};
        std::size_t got = 0;
        do {
            got = value_of(gzip.read(buffer));
            benchmark::DoNotOptimize(buffer.data());
        } while (got > 0);
    }
    set_rate(state);
}
BENCHMARK(inflate_ours)->Name("inflate/ours")->Unit(benchmark::kMillisecond);

void inflate_zlib(benchmark::State& state) {
    constexpr int kGzipWindow = 15 + 16;
    Bytes buffer(256 << 10);
    const Bytes& input = compressed();
    for ([[maybe_unused]] auto round : state) {
        z_stream stream{};
        inflateInit2(&stream, kGzipWindow);
        stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
        stream.avail_in = static_cast<uInt>(input.size());
        int status = Z_OK;
        while (status == Z_OK) {
            stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
            stream.avail_out = static_cast<uInt>(buffer.size());
            status = inflate(&stream, Z_NO_FLUSH);
        }
        if (status != Z_STREAM_END) {
            give_up("zlib does not inflate");
        }
        inflateEnd(&stream);
    }
    set_rate(state);
    state.SetLabel("baseline");
}
BENCHMARK(inflate_zlib)->Name("inflate/zlib")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lazybuild::bench

BENCHMARK_MAIN();
