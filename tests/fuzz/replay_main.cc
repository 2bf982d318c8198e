// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over files and directories of inputs, so that every build, with any compiler
// and any sanitizer, replays the seed corpus.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

int replay(const std::filesystem::path& path) {
    constexpr std::uint64_t kInputBytesMax = 16 << 20;
    auto input = lazybuild::read_file(path.string(), kInputBytesMax);
    if (!input) {
        std::fprintf(stderr, "%s\n", input.error().message.c_str());
        return 1;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input->data()), input->size());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t count = 0;
    for (int i = 1; i < argc; ++i) {
        std::error_code error;
        if (!std::filesystem::is_directory(argv[i], error)) {
            if (replay(argv[i]) != 0) {
                return 1;
            }
            ++count;
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(argv[i], error)) {
            if (replay(entry.path()) != 0) {
                return 1;
            }
            ++count;
        }
    }
    if (count == 0) {
        std::fprintf(stderr, "no inputs to replay: name a corpus directory\n");
        return 1;
    }
    std::printf("replayed %zu inputs\n", count);
    return 0;
}
