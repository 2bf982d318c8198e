// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/check.h"

#include <fmt/format.h>

#include <algorithm>

namespace lazybuild::service {

std::string check_report(const std::vector<fuse::HostFeature>& features) {
    std::size_t width = 0;
    for (const fuse::HostFeature& feature : features) {
        width = std::max(width, feature.name.size());
    }
    std::string report;
    for (const fuse::HostFeature& feature : features) {
        const std::string_view verdict = feature.works    ? "ok"
                                         : feature.needed ? "MISSING"
                                                          : "slower";
        std::string line =
            fmt::format("{:8}{:{}}  {}", verdict, feature.name, width, feature.detail);
        line.erase(line.find_last_not_of(' ') + 1);
        report += line + "\n";
    }
    report += is_usable(features) ? "layers will be served lazily: EROFS over FUSE disks\n"
                                  : "layers cannot be served lazily here\n";
    return report;
}

bool is_usable(const std::vector<fuse::HostFeature>& features) {
    return std::ranges::none_of(features, [](const fuse::HostFeature& feature) {
        return feature.needed && !feature.works;
    });
}

}  // namespace lazybuild::service
