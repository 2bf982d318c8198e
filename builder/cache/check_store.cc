// SPDX-License-Identifier: Apache-2.0
// A record says what its step made and what its file system was (a chain over layer ids). Chains
// are followed from the bases up: what a step made on a known file system is known, too. So each
// record leads down to the layers that it needs.
#include "builder/cache/check_store.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/file.h"
#include "builder/cache/blob_looks.h"
#include "builder/export/parallel.h"
#include "builder/image/open_image.h"
#include "builder/image/work.h"
#include "builder/solve/key.h"
#include "codec/sha256.h"

namespace lazybuild::cache {
namespace {

using layers::CheckDepth;

constexpr std::size_t kReadBytes = 1 << 20;

/// The top layer of a file system, and what it is on; zeros for nothing.
struct Link {
    codec::Digest below;
    codec::Digest layer;
};

/// Where a layer is.
struct LayerFound {
    enum class Where : std::uint8_t { here, elsewhere, nowhere };
    Where where = Where::nowhere;
    std::string why;  ///< nowhere
    std::optional<codec::Descriptor> blob;
    std::string damaged_file;  ///< of a blob of it in the store: what is wrong
};

/// What is known of a whole file system.
struct Have {
    bool elsewhere = false;
    std::optional<codec::Digest> bad{};  ///< the layer nearest to its top that cannot be had
};

/// Where blobs have been, opened once each.
class Places {
  public:
    explicit Places(image::Session& session) : session_(session) {}

    /// Those of `origins` that can be opened; why the others cannot is added to `why`.
    std::vector<std::shared_ptr<image::ImageSource>> open(const std::vector<store::Origin>& origins,
                                                          std::string& why);

  private:
    using Opened = Result<std::shared_ptr<image::ImageSource>>;
    const Opened& open(const store::Origin& origin);

    image::Session& session_;
    std::map<std::string, Opened> opened_;
};

const Places::Opened& Places::open(const store::Origin& origin) {
    const std::string key =
        fmt::format("{} {} {}", std::to_underlying(origin.kind), origin.host, origin.path);
    const auto known = opened_.find(key);
    if (known != opened_.end()) {
        return known->second;
    }
    auto opened = image::origin_source(origin, session_);
    return opened_.emplace(key, opened ? Opened{*std::move(opened)} : fail(opened.error()))
        .first->second;
}

std::vector<std::shared_ptr<image::ImageSource>> Places::open(
    const std::vector<store::Origin>& origins, std::string& why) {
    std::vector<std::shared_ptr<image::ImageSource>> places;
    for (const store::Origin& origin : origins) {
        if (const Opened& opened = open(origin)) {
            places.push_back(*opened);
        } else {
            why += fmt::format("{}{}", why.empty() ? "" : "; ", opened.error().message);
        }
    }
    return places;
}

// "": the file is the blob; else what is wrong with it.
Result<std::string> look_at_file(const std::string& path, const codec::Descriptor& blob,
                                 CheckDepth depth, const io::CancelToken& cancel) {
    const auto file = open_file(path, O_RDONLY);
    const auto access = file ? FdAccess::open(file->get()) : fail(file.error());
    if (!access) {
        return access.error().message;
    }
    if (access->size_bytes() != blob.size_bytes) {
        return fmt::format("{}: {} bytes, not {}", path, access->size_bytes(), blob.size_bytes);
    }
    codec::Sha256 hash;
    Bytes buffer(depth == CheckDepth::every_byte ? kReadBytes : 0);
    for (std::uint64_t at = 0; !buffer.empty() && at < blob.size_bytes;) {
        if (cancel.cancelled()) {
            return fail(Error{.code = std::errc::operation_canceled, .message = "interrupted"});
        }
        const auto piece = MutableByteView{buffer}.first(
            std::min<std::uint64_t>(buffer.size(), blob.size_bytes - at));
        if (const auto read = access->read_at(at, piece); !read) {
            return read.error().message;
        }
        hash.update(piece);
        at += piece.size();
    }
    const bool same = buffer.empty() || hash.finish() == blob.digest;
    return same ? "" : path + ": its bytes are others; it is corrupt";
}

class StoreCheck {
  public:
    StoreCheck(layers::LayerStore& store, CheckDepth depth, image::Session& session)
        : store_(store), depth_(depth), session_(session), places_(session) {}

    Result<CheckReport> run(const std::vector<solve::Record>& records,
                            const std::vector<std::vector<codec::Digest>>& bases);

  private:
    void follow_chains(const std::vector<solve::Record>& records,
                       const std::vector<std::vector<codec::Digest>>& bases);
    void list_layers(const solve::Record& record);
    Result<void> look_here();
    Result<LayerFound> look_here(const codec::Digest& id) const;
    Result<void> look_elsewhere();
    Have have(const codec::Digest& chain);
    void account(const solve::Record& record);

    layers::LayerStore& store_;
    const CheckDepth depth_;
    image::Session& session_;
    Places places_;
    CheckReport report_;
    CheckFindings findings_;

    std::map<codec::Digest, Link> chains_;
    std::set<codec::Digest> listed_;  ///< chains whose layers are in layers_
    std::map<codec::Digest, LayerFound> layers_;
    std::map<codec::Digest, Have> have_;  ///< by chain
};

void StoreCheck::follow_chains(const std::vector<solve::Record>& records,
                               const std::vector<std::vector<codec::Digest>>& bases) {
    std::multimap<codec::Digest, codec::Digest> made_on;  // layers, by what they are on
    for (const solve::Record& record : records) {
        if (record.base) {
            made_on.emplace(*record.base, record.layer);
        }
    }
    std::deque<codec::Digest> todo{codec::Digest{}};
    auto add = [&](const codec::Digest& below, const codec::Digest& layer) {
        const codec::Digest chain = solve::chain_id(below, layer);
        if (chains_.try_emplace(chain, Link{.below = below, .layer = layer}).second) {
            todo.push_back(chain);
        }
        return chain;
    };
    for (const std::vector<codec::Digest>& base : bases) {
        codec::Digest chain;
        for (const codec::Digest& layer : base) {
            chain = add(chain, layer);
        }
    }
    while (!todo.empty()) {
        const codec::Digest chain = todo.front();
        todo.pop_front();
        const auto [begin, end] = made_on.equal_range(chain);
        for (auto each = begin; each != end; ++each) {
            add(chain, each->second);
        }
    }
}

void StoreCheck::list_layers(const solve::Record& record) {
    layers_.try_emplace(record.layer);
    codec::Digest chain = record.base.value_or(codec::Digest{});
    for (auto link = chains_.find(chain); link != chains_.end() && listed_.insert(chain).second;
         link = chains_.find(chain)) {
        layers_.try_emplace(link->second.layer);
        chain = link->second.below;
    }
}

// A layer that is damaged is not looked for elsewhere: builds take it as it is here.
Result<LayerFound> StoreCheck::look_here(const codec::Digest& id) const {
    LayerFound found;
    const auto here = store_.check_layer(id, depth_);
    if (!here && here.error().code == std::errc::operation_canceled) {
        return fail(here.error());
    }
    if (!here) {
        found.why = here.error().message;
        return found;
    }
    found.where = *here ? LayerFound::Where::here : LayerFound::Where::nowhere;
    TRY(const std::vector<layers::LayerBlob> blobs, store_.blobs(id));
    for (std::size_t i = 0; i < blobs.size() && found.where == LayerFound::Where::nowhere; ++i) {
        const codec::Descriptor& blob = blobs[i].descriptor;
        const auto path = store_.blob_path(blob.digest);
        if (!path) {
            continue;  // it may be elsewhere
        }
        TRY(const std::string wrong, look_at_file(*path, blob, depth_, session_.wait().cancel));
        if (wrong.empty()) {
            found.where = LayerFound::Where::here;
        }
        found.damaged_file = wrong;
    }
    return found;
}

Result<void> StoreCheck::look_here() {
    std::vector<std::pair<const codec::Digest, LayerFound>*> all;
    for (auto& layer : layers_) {
        all.push_back(&layer);
    }
    auto one = [&](std::size_t i) -> Result<void> {
        TRY(all[i]->second, look_here(all[i]->first));
        return {};
    };
    return exporter::run_parallel(all.size(), exporter::parallel_threads(session_), one);
}

Result<void> StoreCheck::look_elsewhere() {
    struct Asked {
        LayerFound* layer = nullptr;
        std::size_t blob = 0;  // of wanted
        std::string closed;    // places that cannot be opened
    };
    std::vector<Asked> asked;
    std::vector<WantedBlob> wanted;
    std::map<codec::Digest, std::size_t> known;  // in wanted
    for (auto& [id, layer] : layers_) {
        if (layer.where == LayerFound::Where::here || !layer.why.empty()) {
            continue;
        }
        layer.why = fmt::format("the layer {} is not in the store, and no blob of it is known",
                                image::short_digest(id));
        TRY(const std::vector<layers::LayerBlob> blobs, store_.blobs(id));
        for (const layers::LayerBlob& blob : blobs) {
            TRY(const std::vector<store::Origin> origins, store_.origins(blob.descriptor.digest));
            Asked& one =
                asked.emplace_back(Asked{.layer = &layer, .blob = 0, .closed = layer.damaged_file});
            auto places = places_.open(origins, one.closed);
            const auto [place, is_new] = known.try_emplace(blob.descriptor.digest, wanted.size());
            one.blob = place->second;
            if (is_new) {
                wanted.push_back({.blob = blob.descriptor, .places = std::move(places)});
            }
        }
    }
    TRY(const std::vector<BlobLook> looks, look_for_blobs(wanted, session_));
    for (const Asked& one : asked) {
        const BlobLook& look = looks[one.blob];
        if (look.place) {
            one.layer->where = LayerFound::Where::elsewhere;
        } else if (!one.layer->blob) {
            one.layer->blob = wanted[one.blob].blob;
            const bool nobody = wanted[one.blob].places.empty() && !one.closed.empty();
            const char* const between = nobody || one.closed.empty() ? "" : "; ";
            one.layer->why = fmt::format("{}{}{}", nobody ? "" : look.why, between, one.closed);
        }
    }
    report_.blobs = wanted.size();
    for (const WantedBlob& each : wanted) {
        report_.blob_bytes += each.blob.size_bytes;
    }
    return {};
}

Have StoreCheck::have(const codec::Digest& chain) {
    std::vector<codec::Digest> above;
    codec::Digest at = chain;
    for (auto link = chains_.find(at); link != chains_.end() && !have_.contains(at);
         link = chains_.find(at)) {
        above.push_back(at);
        at = link->second.below;
    }
    const auto below = have_.find(at);
    Have have = below == have_.end() ? Have{} : below->second;
    for (auto each = above.rbegin(); each != above.rend(); ++each) {
        const codec::Digest& layer = chains_.at(*each).layer;
        const LayerFound& found = layers_.at(layer);
        have.elsewhere = have.elsewhere || found.where == LayerFound::Where::elsewhere;
        have.bad = found.where == LayerFound::Where::nowhere ? layer : have.bad;
        have_.emplace(*each, have);
    }
    return have;
}

void StoreCheck::account(const solve::Record& record) {
    ++report_.records;
    Have all = have(record.base.value_or(codec::Digest{}));
    const LayerFound& own = layers_.at(record.layer);
    if (own.where == LayerFound::Where::nowhere) {
        all.bad = record.layer;
    }
    if (!all.bad) {
        const bool elsewhere = all.elsewhere || own.where == LayerFound::Where::elsewhere;
        ++(elsewhere ? report_.elsewhere : report_.here);
        return;
    }
    ++report_.lost;
    const LayerFound& bad = layers_.at(*all.bad);
    CheckFinding::Need need{.what = record.text, .layer = record.layer};
    if (bad.blob) {
        findings_.add_blob(*bad.blob, bad.why, std::move(need));
    } else {
        findings_.add(bad.why, std::move(need));
    }
}

Result<CheckReport> StoreCheck::run(const std::vector<solve::Record>& records,
                                    const std::vector<std::vector<codec::Digest>>& bases) {
    report_.name = store_.root();
    follow_chains(records, bases);
    for (const solve::Record& record : records) {
        list_layers(record);
    }
    CHECK_OK(look_here());
    CHECK_OK(look_elsewhere());
    for (const solve::Record& record : records) {
        account(record);
    }
    report_.findings = findings_.take();
    return std::move(report_);
}

}  // namespace

Result<CheckReport> check_store(layers::LayerStore& store, solve::Records& records,
                                const std::vector<std::vector<codec::Digest>>& bases,
                                CheckDepth depth, image::Session& session) {
    TRY(const std::vector<solve::Record> all, records.all());
    return StoreCheck{store, depth, session}.run(all, bases);
}

}  // namespace lazybuild::cache
