// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/secret_mask.h"

#include <algorithm>
#include <utility>

namespace lazybuild::exec {
namespace {

constexpr std::string_view kMask = "***";

}  // namespace

SecretMask::SecretMask(const std::vector<std::string>& secrets, Output output)
    : output_(std::move(output)) {
    for (std::string_view rest : secrets) {
        while (!rest.empty()) {
            std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(line.size() + 1, rest.size()));
            if (line.ends_with('\r')) {
                line.remove_suffix(1);
            }
            if (line.size() >= kMaskedBytesMin && line.size() <= kMaskedBytesMax) {
                lines_.emplace_back(line);
            }
        }
    }
    std::ranges::sort(lines_, [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() > b.size() : a < b;
    });
    lines_.erase(std::ranges::unique(lines_).begin(), lines_.end());
}

void SecretMask::write(int stream, std::string_view bytes) {
    if (!output_) {
        return;
    }
    if (lines_.empty()) {
        output_(stream, bytes);
        return;
    }
    std::string& text = waiting_[static_cast<std::size_t>(stream - 1)];
    text += bytes;
    for (std::size_t at = 0; at != std::string::npos;) {
        at = mask_first(text, at);
    }
    const std::size_t ready = text.size() - unfinished_bytes(text);
    if (ready > 0) {
        output_(stream, std::string_view{text}.substr(0, ready));
        text.erase(0, ready);
    }
}

void SecretMask::finish() {
    for (int stream = 1; stream <= 2; ++stream) {
        std::string& text = waiting_[static_cast<std::size_t>(stream - 1)];
        if (!text.empty() && output_) {
            output_(stream, text);
        }
        text.clear();
    }
}

/// Masks the first secret at or after `from`; where to go on, or npos.
std::size_t SecretMask::mask_first(std::string& text, std::size_t from) const {
    std::size_t first = std::string::npos;
    std::size_t size = 0;
    for (const std::string& line : lines_) {
        if (const std::size_t found = text.find(line, from); found < first) {
            first = found;
            size = line.size();
        }
    }
    if (first == std::string::npos) {
        return first;
    }
    text.replace(first, size, kMask);
    return first + kMask.size();
}

/// Of the longest end of `text` that a secret begins with.
std::size_t SecretMask::unfinished_bytes(std::string_view text) const {
    std::size_t longest = 0;
    for (const std::string& line : lines_) {
        for (std::size_t bytes = std::min(line.size() - 1, text.size()); bytes > longest; --bytes) {
            if (text.ends_with(std::string_view{line}.substr(0, bytes))) {
                longest = bytes;
            }
        }
    }
    return longest;
}

}  // namespace lazybuild::exec
