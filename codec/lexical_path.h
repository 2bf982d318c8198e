// SPDX-License-Identifier: Apache-2.0
// Paths inside a layer as text: cleaning and taking apart, without looking at any tree.
// clean_path in file_tree.h is the public door to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lazybuild::codec {

enum class LeadingParents : std::uint8_t { drop, keep };

/// Without empty and "." components, and with every ".." taken against the name before it, as
/// Go's path.Clean does. Never starts or ends with '/'. ".." that nothing is left for are dropped,
/// or kept in front.
std::string normalise_path(std::string_view path, LeadingParents leading);

/// Takes the first component off a normalised, non-empty path, with the '/' after it.
std::string_view take_component(std::string_view& path);

struct SplitPath {
    std::string_view directory;  ///< "" for the root
    std::string_view name;
};

/// "usr/bin/x" → "usr/bin" and "x". Of a normalised path that is not empty.
SplitPath split_path(std::string_view path);

}  // namespace lazybuild::codec
