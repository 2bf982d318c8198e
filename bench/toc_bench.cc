// SPDX-License-Identifier: Apache-2.0
// Reading a table of contents of 100,000 files into a FileTree, in files per second. Beside it the
// JSON alone: nlohmann's parser, which builds a document that nobody has looked at yet.
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>

#include "base/stream.h"
#include "bench/corpus.h"
#include "codec/estargz_toc.h"

namespace lazybuild::bench {
namespace {

constexpr std::size_t kFiles = 100'000;
constexpr std::size_t kFileBytes = 100;
constexpr std::size_t kJsonBytesMax = 64 << 20;

struct TocJson {
    Bytes json;
    std::uint64_t offset_bytes = 0;
};

TocJson make_toc() {
    const BlobTail tail = estargz_tail_of_files(kFiles, kFileBytes);
    codec::TocText text(tail.toc_members);
    Bytes json(kJsonBytesMax);
    json.resize(value_of(read_full(text, json)));
    return {.json = std::move(json), .offset_bytes = tail.toc_offset_bytes};
}

const TocJson& toc() {
    static const TocJson made = make_toc();
    return made;
}

void set_rate(benchmark::State& state) {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kFiles));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(toc().json.size()));
}

void parse_ours(benchmark::State& state) {
    const TocJson& input = toc();
    for ([[maybe_unused]] auto round : state) {
        MemorySource text(input.json);
        const auto parsed = value_of(codec::parse_toc(text, input.offset_bytes));
        benchmark::DoNotOptimize(parsed.tree.nodes.data());
    }
    set_rate(state);
}
BENCHMARK(parse_ours)->Name("toc/to-file-tree")->Unit(benchmark::kMillisecond);

void parse_nlohmann(benchmark::State& state) {
    const TocJson& input = toc();
    for ([[maybe_unused]] auto round : state) {
        const auto document = nlohmann::json::parse(as_text(input.json), nullptr, false);
        benchmark::DoNotOptimize(document.size());
    }
    set_rate(state);
    state.SetLabel("baseline");
}
BENCHMARK(parse_nlohmann)->Name("toc/nlohmann-document")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lazybuild::bench

BENCHMARK_MAIN();
