// SPDX-License-Identifier: Apache-2.0
// What has changed among the files that a step selected, in words. Not for other rooms.
#pragma once

#include <string>
#include <vector>

namespace lazybuild::solve {

/// One sentence a file, at most kFilesShownMax and then how many more there are; what version
/// control and editors leave is told together, with advice for .dockerignore when the files are
/// `from_context`. `now` and `before` are Record::files; a list that has reached kRecordFilesMax
/// may go on.
inline constexpr std::size_t kFilesShownMax = 10;
std::vector<std::string> file_changes(const std::vector<std::string>& now,
                                      const std::vector<std::string>& before, bool from_context);

}  // namespace lazybuild::solve
