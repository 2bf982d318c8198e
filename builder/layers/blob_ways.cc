// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/blob_ways.h"

#include <string>
#include <utility>

#include "builder/image/open_image.h"

namespace lazybuild::layers {
namespace {

using Stream = Result<std::unique_ptr<registry::BlobStream>>;

io::Task<Stream> open_from(layer::HostHealth& health, image::ImageSource& way,
                           codec::Descriptor blob, std::uint64_t offset_bytes, io::Wait wait) {
    const registry::Repository* const repository = way.repository();
    if (repository == nullptr) {
        co_return co_await way.open_blob(std::move(blob), offset_bytes, std::move(wait));
    }
    health.begins(repository->host);
    Stream stream = co_await way.open_blob(std::move(blob), offset_bytes, std::move(wait));
    layer::note(health, repository->host, stream);
    co_return stream;
}

io::Task<Stream> open_from_any(layer::HostHealth& health, std::shared_ptr<const BlobWays> ways,
                               codec::Descriptor blob, std::uint64_t offset_bytes, io::Wait wait) {
    const auto host_of = [](const std::shared_ptr<image::ImageSource>& way) {
        return way->repository() == nullptr ? std::string{} : way->repository()->host;
    };
    const BlobWays order = layer::ailing_last(health, *ways, host_of);
    Stream first;
    for (const std::shared_ptr<image::ImageSource>& way : order) {
        const io::Wait patience = way == order.back() ? wait : layer::patient(wait);
        Stream stream = co_await open_from(health, *way, blob, offset_bytes, patience);
        const bool is_over = stream || stream.error().code == std::errc::operation_canceled;
        const bool tells_most = is_over || way == order.front();
        if (tells_most) {
            first = std::move(stream);
        }
        if (is_over) {
            break;
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

layer::BlobOpener blob_opener(layer::HostHealth& health, BlobWays ways, codec::Descriptor blob) {
    return [&health, ways = std::make_shared<const BlobWays>(std::move(ways)),
            blob = std::move(blob)](std::uint64_t offset_bytes, io::Wait wait) {
        return open_from_any(health, ways, blob, offset_bytes, std::move(wait));
    };
}

}  // namespace lazybuild::layers
