// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/blob_ways.h"

#include <utility>

#include "builder/image/open_image.h"

namespace lazybuild::layers {
namespace {

using Stream = Result<std::unique_ptr<registry::BlobStream>>;

io::Task<Stream> open_from_any(std::shared_ptr<const BlobWays> ways, codec::Descriptor blob,
                               std::uint64_t offset_bytes, io::Wait wait) {
    Stream first = co_await ways->front()->open_blob(blob, offset_bytes, wait);
    for (std::size_t i = 1; i < ways->size() && !first; ++i) {
        if (first.error().code == std::errc::operation_canceled) {
            break;
        }
        Stream other = co_await (*ways)[i]->open_blob(blob, offset_bytes, wait);
        if (other) {
            first = std::move(other);
        }
    }
    co_return first;
}

}  // namespace

Result<BlobWays> ways_to(image::Session& session, LayerRecords& records,
                         std::shared_ptr<image::ImageSource> source, const codec::Digest& blob) {
    TRY(const std::vector<store::Origin> origins, records.origins(blob));
    const store::Origin own = source->origin();
    BlobWays ways{std::move(source)};
    for (const store::Origin& origin : origins) {
        if (origin == own) {
            continue;
        }
        if (auto opened = image::origin_source(origin, session)) {
            ways.push_back(*std::move(opened));
        }
    }
    return ways;
}

layer::BlobOpener blob_opener(BlobWays ways, codec::Descriptor blob) {
    return [ways = std::make_shared<const BlobWays>(std::move(ways)), blob = std::move(blob)](
               std::uint64_t offset_bytes, io::Wait wait) {
        return open_from_any(ways, blob, offset_bytes, std::move(wait));
    };
}

}  // namespace lazybuild::layers
