// SPDX-License-Identifier: Apache-2.0
#include "builder/files/context.h"

namespace lazybuild::files {

Result<RemoteFiles> fetch_http(const graph::HttpStep& step, const std::string& /*cache_directory*/,
                               image::Session& /*session*/) {
    return fail(Error{std::errc::not_supported, step.url + ": files of URLs are not fetched yet"});
}

}  // namespace lazybuild::files
