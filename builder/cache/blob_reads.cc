// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/blob_reads.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/assert.h"
#include "builder/image/layer_inspection.h"
#include "builder/image/layer_tree.h"
#include "codec/tree_digest.h"

namespace lazybuild::cache {
namespace {

class Nowhere final : public ByteSink {
  public:
    Result<void> write(ByteView /*bytes*/) override { return {}; }
};

using Held = std::optional<codec::Digest>;

io::Task<Result<Held>> held_by_files(image::Session& session, image::ImageSource& source,
                                     codec::Descriptor blob) {
    const codec::FileTree tree = co_await io::or_return(
        co_await image::read_whole_layer(session, source, std::move(blob), session.wait()));
    co_return codec::tree_digest(tree);
}

/// nullopt: it has no index, or one that does not say it, which no lazy reader then goes by.
io::Task<Result<Held>> held_by_index(image::Session& session, image::ImageSource& source,
                                     codec::Descriptor blob) {
    image::LayerInspection inspection =
        co_await io::or_return(co_await image::inspect_layer(source, blob, session.wait()));
    if (inspection.indexed == nullptr) {
        co_return Held{};
    }
    const codec::Toc toc = co_await io::or_return(co_await image::read_toc(
        session, source, std::move(blob), std::move(inspection), session.wait()));
    co_return codec::tree_digest(toc.tree);
}

Result<void> compare(const Held& held, const std::set<codec::Digest>& layers,
                     std::string_view what) {
    for (const codec::Digest& id : layers) {
        if (held && *held != id) {
            return fail(
                corrupt(fmt::format("{} the layer {}, not {}", what, held->text(), id.text())));
        }
    }
    return {};
}

}  // namespace

Result<void> read_and_prove(image::Session& session, image::ImageSource& source,
                            const codec::Descriptor& blob, const std::set<codec::Digest>& layers) {
    if (layers.empty()) {
        Nowhere nowhere;
        return session.wait_for(image::stream_blob(session, source, blob, nowhere, session.wait()));
    }
    TRY(const Held files, session.wait_for(held_by_files(session, source, blob)));
    ASSERT(files);  // each file was cut into pieces
    CHECK_OK(compare(files, layers, "it holds"));
    TRY(const Held index, session.wait_for(held_by_index(session, source, blob)));
    return compare(index, layers, "its table of contents is that of");
}

}  // namespace lazybuild::cache
