// SPDX-License-Identifier: Apache-2.0
#include "codec/xattrs.h"

#include <map>
#include <string>
#include <utility>

namespace lazybuild::codec {

void sort_xattrs(std::vector<Xattr>& xattrs) {
    if (xattrs.size() < 2) {
        return;
    }
    std::map<std::string, std::string> by_name;
    for (Xattr& xattr : xattrs) {
        by_name.insert_or_assign(std::move(xattr.name), std::move(xattr.value));
    }
    xattrs.clear();
    while (!by_name.empty()) {
        auto first = by_name.extract(by_name.begin());
        xattrs.push_back(Xattr{.name = std::move(first.key()), .value = std::move(first.mapped())});
    }
}

std::size_t xattr_bytes(const std::vector<Xattr>& xattrs) {
    std::size_t size_bytes = 0;
    for (const Xattr& xattr : xattrs) {
        size_bytes += xattr.name.size() + xattr.value.size();
    }
    return size_bytes;
}

std::size_t text_bytes(const LayerEntry& entry) {
    return entry.path.size() + entry.link_target.size() + xattr_bytes(entry.xattrs);
}

}  // namespace lazybuild::codec
