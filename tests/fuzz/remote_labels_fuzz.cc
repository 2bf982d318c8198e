// SPDX-License-Identifier: Apache-2.0
// The labels of a Prepare, one "key=value" a line: any text is a target or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "snapshotter/service/remote_labels.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    lazybuild::store::Labels labels;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
        const std::size_t equals = line.find('=');
        if (equals != line.npos) {
            labels.emplace(line.substr(0, equals), line.substr(equals + 1));
        }
    }
    if (lazybuild::service::asks_for_remote(labels)) {
        static_cast<void>(lazybuild::service::parse_remote_labels(labels));
    }
    return 0;
}
