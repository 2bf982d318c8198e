// SPDX-License-Identifier: Apache-2.0
// List's filters, applied to a snapshot: any text is a filter or an Error.
#include <cstddef>
#include <cstdint>
#include <string>

#include "snapshotter/service/filter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace service = lazybuild::service;
    namespace store = lazybuild::store;
    const std::string text(reinterpret_cast<const char*>(data), size);
    store::SnapshotRecord snapshot;
    snapshot.name = "default/1/sha256:abc";
    snapshot.parent = "base";
    snapshot.labels = {{"containerd.io/snapshot.ref", "sha256:abc"}, {"a", "b"}};
    if (auto filter = service::Filter::parse({text}); filter) {
        static_cast<void>(filter->matches(snapshot));
    }
    return 0;
}
