// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/key.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "codec/sha256.h"

namespace lazybuild::solve {
namespace {

constexpr std::string_view kSchema = "lazybuild key 2";

}  // namespace

codec::Digest chain_id(const codec::Digest& below, const codec::Digest& layer_id) {
    codec::Sha256 hash;
    hash.update(below.raw());
    hash.update(layer_id.raw());
    return hash.finish();
}

codec::Digest chain_id(std::span<const codec::Digest> layer_ids) {
    codec::Digest chain;
    for (const codec::Digest& id : layer_ids) {
        chain = chain_id(chain, id);
    }
    return chain;
}

// With the definition's length nothing in it can pass for a line of ours.
KeyText::KeyText(std::string_view definition)
    : text_(fmt::format("{} {}\n", kSchema, definition.size())) {
    text_ += definition;
    if (!definition.ends_with('\n')) {
        text_ += '\n';
    }
}

void KeyText::add(std::string_view name, std::string_view value) {
    text_ += name;
    text_ += ' ';
    for (const char byte : value) {
        if (byte == '\n') {
            text_ += "\\n";
        } else {
            text_ += byte;
        }
    }
    text_ += '\n';
}

codec::Digest KeyText::key() const {
    return codec::sha256(as_bytes(text_));
}

}  // namespace lazybuild::solve
