// SPDX-License-Identifier: Apache-2.0
// Small checks of what instructions hold once it is expanded.
//
// Source: the Dockerfile reference, "STOPSIGNAL", "Predefined ARGs", "BuildKit built-in build
// args".
#pragma once

#include <string_view>

namespace lazybuild::graph {

/// A signal that STOPSIGNAL may name: a number, or a name with or without "SIG".
bool is_signal(std::string_view text);

/// One of the proxy settings that every RUN gets without an ARG; in upper or lower case.
bool is_proxy_argument(std::string_view name);

/// A name of a build argument that means something to the builder without any ARG.
bool is_builder_argument(std::string_view name);

}  // namespace lazybuild::graph
