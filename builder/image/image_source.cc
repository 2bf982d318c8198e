// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_source.h"

#include <fmt/format.h>

#include <utility>

#include "codec/digest_sink.h"
#include "snapshotter/layer/blob_pump.h"

namespace lazybuild::image {

Result<std::optional<Fd>> ImageSource::local_blob(const codec::Descriptor& /*blob*/) const {
    return std::nullopt;
}

io::Task<Result<void>> stream_blob(Session& session, ImageSource& source, codec::Descriptor blob,
                                   ByteSink& sink, io::Wait wait) {
    codec::DigestSink digested{&sink};
    auto open = [&source, blob](std::uint64_t offset_bytes, io::Wait until) {
        return source.open_blob(blob, offset_bytes, std::move(until));
    };
    Result<void> pumped =
        co_await layer::pump_blob(session.reactor(), session.pool(), std::move(open),
                                  blob.size_bytes, digested, {}, std::move(wait));
    const codec::Digest found = pumped ? digested.finish() : blob.digest;
    if (found != blob.digest) {
        pumped =
            fail(corrupt(fmt::format("its bytes are those of {}; it is corrupt", found.text())));
    }
    if (!pumped) {
        co_return fail(pumped.error().context(
            fmt::format("blob {} of {}", blob.digest.text(), source.name())));
    }
    co_return pumped;
}

io::Task<Result<Bytes>> read_blob(Session& session, ImageSource& source, codec::Descriptor blob,
                                  std::uint64_t limit_bytes, io::Wait wait) {
    if (blob.size_bytes > limit_bytes) {
        co_return fail(over_limit(fmt::format("blob {}: {} bytes, more than the {} allowed here",
                                              blob.digest.text(), blob.size_bytes, limit_bytes)));
    }
    MemorySink sink;
    co_await io::or_return(co_await stream_blob(session, source, blob, sink, wait));
    co_return std::move(sink).take();
}

}  // namespace lazybuild::image
