// SPDX-License-Identifier: Apache-2.0
// Reading a table of contents of 100,000 files into a FileTree, in files per second. Beside it the
// JSON alone: nlohmann's parser, which builds a document that nobody has looked at yet.
#include <benchmark/benchmark.h>

#include <nlohmann/json.hpp>

#include "base/stream.h"
#include "bench/corpus.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_writer.h"

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
    const Bytes tar = tar_of_files(kFiles, kFileBytes);
    MemorySink blob;
    value_of(codec::write_estargz(MemoryAccess{tar}, {.prioritized = {}}, blob));
    const ByteView bytes = blob.bytes();
    const auto footer =
        value_of(codec::find_estargz_footer(bytes.last(codec::kEstargzFooterBytesMax)));
    const std::uint64_t offset = footer->toc_offset_bytes;
    const ByteView members = bytes.first(bytes.size() - footer->footer_size_bytes).subspan(offset);
    codec::TocText text(members);
    Bytes json(kJsonBytesMax);
    json.resize(value_of(read_full(text, json)));
    return {.json = std::move(json), .offset_bytes = offset};
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
