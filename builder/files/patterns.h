// SPDX-License-Identifier: Apache-2.0
// What --parents is given: of "src/./lib/**/*.h" only what stands behind "/./" is kept. Not for
// other rooms. Source: the Dockerfile reference, "COPY --parents".
#pragma once

#include <string>
#include <string_view>

namespace lazybuild::files {

struct PivotPattern {
    std::string root;     ///< clean
    std::string pattern;  ///< clean, relative to `root`
};
/// Without a "/./" the root is "". Both parts are text: nothing is looked at.
PivotPattern split_pivot(std::string_view pattern);

}  // namespace lazybuild::files
