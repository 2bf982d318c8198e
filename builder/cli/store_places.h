// SPDX-License-Identifier: Apache-2.0
// Where below --root builds keep what they do not ask the layer store for.
#pragma once

#include <string>

namespace lazybuild::cli {

/// Of commits (files::fetch_git).
inline std::string git_directory(const std::string& root) {
    return root + "/git";
}
/// Of files from URLs (files::fetch_http).
inline std::string http_directory(const std::string& root) {
    return root + "/http";
}
/// The database of files::StatIndex; SQLite keeps files beside it that begin with its name.
inline std::string stat_index_path(const std::string& root) {
    return root + "/stat-index.db";
}

}  // namespace lazybuild::cli
