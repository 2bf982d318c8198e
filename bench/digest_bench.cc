// SPDX-License-Identifier: Apache-2.0
// Digests, in bytes per second.
#include <benchmark/benchmark.h>

#include "codec/sha256.h"

namespace lazybuild {
namespace {

void single_stream(benchmark::State& state) {
    const Bytes content(static_cast<std::size_t>(state.range(0)), std::byte{'a'});
    for ([[maybe_unused]] auto round : state) {
        benchmark::DoNotOptimize(codec::sha256(content));
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(single_stream)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

}  // namespace
}  // namespace lazybuild

BENCHMARK_MAIN();
