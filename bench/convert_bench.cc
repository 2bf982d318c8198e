// SPDX-License-Identifier: Apache-2.0
// Converting one layer on all cores, beside the least that it could take: the time of the parts
// that cannot be left out (inflate, one SHA-256 over the tar, deflate, one SHA-256 over the blob),
// one after the other on one core, divided by the number of cores. All is measured in turns in
// each round. The counter of_limit says how much of that speed a conversion reaches; of_limit_cpu
// the same in processor time, where busy neighbours count less: what it would reach if no core were
// ever idle; size_to_zlib_9 how much larger the layer is than its tar at zlib's level 9.
//
// The tar is $LAZYBUILD_BENCH_TAR, or made of programs of this machine.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "base/file.h"
#include "bench/corpus.h"
#include "codec/estargz_cutter.h"
#include "codec/estargz_writer.h"
#include "codec/gzip.h"
#include "codec/sha256.h"
#include "codec/tar.h"
#include "snapshotter/io/pool.h"

namespace lazybuild::bench {
namespace {

constexpr std::uint64_t kChunkBytes = 4 << 20;
constexpr std::uint64_t kBudgetBytes = 48 << 20;
constexpr std::uint64_t kTarBytesMax = 1 << 30;
constexpr int kZlibLevelMax = 9;

class NowhereSink final : public ByteSink {
  public:
    Result<void> write(ByteView /*bytes*/) override { return {}; }
};

/// Files of 1 KiB to 1 MiB, four times over what there is: as in an image, most are small and most
/// bytes are in large ones.
Bytes made_tar() {
    constexpr std::size_t kTimes = 4;
    constexpr std::size_t kSmallest = 1 << 10;
    constexpr std::size_t kSizes = 11;
    Bytes tar;
    std::size_t number = 0;
    for (std::size_t time = 0; time < kTimes; ++time) {
        for (ByteView rest = real_bytes(); !rest.empty(); ++number) {
            const ByteView content =
                rest.first(std::min(kSmallest << number % kSizes, rest.size()));
            rest = rest.subspan(content.size());
            codec::TarEntry file;
            file.entry.path = fmt::format("usr/lib/package{}/file{}", number / 20, number);
            file.entry.mode = 0644;
            file.entry.size_bytes = content.size();
            const Bytes header = codec::tar_header(file);
            for (const ByteView part :
                 {ByteView{header}, content, codec::tar_padding(content.size())}) {
                tar.insert(tar.end(), part.begin(), part.end());
            }
        }
    }
    const ByteView end = codec::tar_end();
    tar.insert(tar.end(), end.begin(), end.end());
    return tar;
}

/// A layer, and what its parts work on.
struct Layer {
    Bytes tar;
    Bytes blob;                  ///< as the source has it
    std::vector<Bytes> members;  ///< what is deflated
};

const Layer& layer() {
    static const Layer kLayer = [] {
        Layer made;
        if (const char* const file = std::getenv("LAZYBUILD_BENCH_TAR")) {
            const std::string content = value_of(read_file(file, kTarBytesMax));
            const ByteView bytes = as_bytes(content);
            made.tar.assign(bytes.begin(), bytes.end());
        } else {
            made.tar = made_tar();
        }
        made.blob = zlib_gzip(made.tar, kZlibLevelMax);
        codec::EstargzCutter cutter(
            {.chunk_bytes = kChunkBytes},
            [&made](std::unique_ptr<codec::EstargzBatch> batch) -> Result<void> {
                batch->members.push_back(batch->text.size());
                for (std::size_t i = 0; i + 1 < batch->members.size(); ++i) {
                    const auto begin = batch->text.begin();
                    made.members.emplace_back(
                        begin + static_cast<std::ptrdiff_t>(batch->members[i]),
                        begin + static_cast<std::ptrdiff_t>(batch->members[i + 1]));
                }
                return {};
            });
        for (const codec::TarEntry& entry : value_of(codec::index_tar(MemoryAccess{made.tar}))) {
            const ByteView rest = ByteView{made.tar}.subspan(entry.header_offset_bytes);
            const std::size_t header = entry.payload_offset_bytes - entry.header_offset_bytes;
            check(cutter.begin_entry(entry, rest.first(header)));
            if (entry.entry.size_bytes > 0) {
                check(cutter.payload(rest.subspan(header, entry.entry.size_bytes)));
            }
        }
        check(cutter.finish());
        return made;
    }();
    return kLayer;
}

/// Of the wall, and of all threads.
struct Seconds {
    double wall = 0;
    double processor = 0;
    Seconds& operator+=(const Seconds& more) {
        wall += more.wall;
        processor += more.processor;
        return *this;
    }
};

template <class Work>
Seconds seconds(Work work) {
    const std::clock_t processor = std::clock();
    const auto wall = std::chrono::steady_clock::now();
    work();
    return {.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count(),
            .processor = static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC};
}

std::uint64_t convert(const Layer& from, unsigned cores) {
    io::Pool workers(cores);
    codec::ByteBudget budget(kBudgetBytes);
    NowhereSink nowhere;
    codec::EstargzStream estargz({.chunk_size_bytes = kChunkBytes}, workers, budget, nowhere);
    codec::Sha256 blob_digest;
    codec::GzipStream gzip;
    constexpr std::size_t kPieceBytes = 1 << 20;
    for (ByteView rest = from.blob; !rest.empty();) {
        const ByteView piece = rest.first(std::min(rest.size(), kPieceBytes));
        blob_digest.update(piece);
        check(gzip.push(piece, estargz));
        rest = rest.subspan(piece.size());
    }
    check(gzip.finish());
    benchmark::DoNotOptimize(blob_digest.finish());
    return value_of(estargz.finish()).blob_size_bytes;
}

void inflate(const Layer& from) {
    NowhereSink nowhere;
    codec::GzipStream gzip;
    check(gzip.push(from.blob, nowhere));
    check(gzip.finish());
}

Bytes deflate(const Layer& from) {
    codec::MemberCompressor compressor(codec::kMemberLevelDefault);
    Bytes out;
    out.reserve(from.tar.size());
    for (const Bytes& member : from.members) {
        compressor.append(member, out);
    }
    return out;
}

void convert_on_all_cores(benchmark::State& state) {
    const Layer& from = layer();
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    Seconds inflating;
    Seconds tar_digest;
    Seconds deflating;
    Seconds blob_digest;
    Seconds whole;
    std::uint64_t size_bytes = 0;
    for ([[maybe_unused]] auto round : state) {
        inflating += seconds([&] { inflate(from); });
        tar_digest += seconds([&] { benchmark::DoNotOptimize(codec::sha256(from.tar)); });
        Bytes blob;
        deflating += seconds([&] { blob = deflate(from); });
        blob_digest += seconds([&] { benchmark::DoNotOptimize(codec::sha256(blob)); });
        const Seconds took = seconds([&] { size_bytes = convert(from, cores); });
        state.SetIterationTime(took.wall);
        whole += took;
    }
    const auto tar_bytes = static_cast<double>(from.tar.size());
    const auto rounds = static_cast<double>(state.iterations());
    const auto per_byte = [&](const Seconds& total) {
        return total.processor / rounds / tar_bytes * 1e9;
    };
    Seconds parts;
    for (const Seconds& part : {inflating, tar_digest, deflating, blob_digest}) {
        parts += part;
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(from.tar.size()));
    state.counters["inflate_ns"] = per_byte(inflating);
    state.counters["tar_sha256_ns"] = per_byte(tar_digest);
    state.counters["deflate_ns"] = per_byte(deflating);
    state.counters["blob_sha256_ns"] = per_byte(blob_digest);
    state.counters["convert_ns"] = per_byte(whole);
    state.counters["of_limit"] = parts.wall / cores / whole.wall;
    state.counters["of_limit_cpu"] = parts.processor / whole.processor;
    state.counters["size_to_zlib_9"] =
        static_cast<double>(size_bytes) / static_cast<double>(from.blob.size());
}
BENCHMARK(convert_on_all_cores)
    ->Name("convert/all-cores")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lazybuild::bench

BENCHMARK_MAIN();
