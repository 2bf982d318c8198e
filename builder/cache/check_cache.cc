// SPDX-License-Identifier: Apache-2.0
// First all blobs are asked for, wherever they should be, each once; those that are in the cache
// are then read, if that is wanted. What is bad is remembered by blob, and only then are records
// looked at: by the blobs of their whole file systems.
#include "builder/cache/check_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "builder/cache/backend.h"
#include "builder/cache/blob_looks.h"
#include "builder/cache/blob_reads.h"
#include "builder/cache/imported_cache.h"
#include "builder/export/parallel.h"
#include "builder/image/image_place.h"
#include "builder/image/open_image.h"
#include "builder/image/work.h"

namespace lazybuild::cache {
namespace {

using layers::CheckDepth;

/// What is known of a file system of the cache.
struct Have {
    bool elsewhere = false;              ///< some of it is not in the cache, but known to be there
    std::optional<codec::Digest> bad{};  ///< the blob nearest to its top that cannot be had
};

class CacheCheck {
  public:
    CacheCheck(ImportedCache& cache, CheckDepth depth, image::Session& session)
        : cache_(cache), depth_(depth), session_(session) {}

    Result<CheckReport> run();

  private:
    Result<void> list_bases(const CacheConfig& config);
    void add_base(const CacheImage& image, const codec::Manifest& manifest);
    void list_blobs(const CacheConfig& config);
    void want(const codec::Descriptor& blob);
    Result<void> look();
    Result<void> read();
    void account(const CacheConfig& config);
    void account_record(const CacheConfig& config, const CacheRecord& record, const Have* have);
    Have have(const CacheConfig& config, std::size_t layer,
              std::vector<std::optional<Have>>& known) const;
    void report(const codec::Digest& bad, CheckFinding::Need need);
    void report_rest();
    CheckFinding::Need need_of(const CacheRecord& record);

    ImportedCache& cache_;
    const CheckDepth depth_;
    image::Session& session_;
    CheckReport report_;
    CheckFindings findings_;
    std::optional<const Explanations*> explanations_;  ///< nullptr: they cannot be read

    /// By blob: images that have it, elsewhere.
    std::map<codec::Digest, std::vector<std::shared_ptr<image::ImageSource>>> bases_;
    std::map<codec::Digest, std::set<codec::Digest>>
        held_;                                          ///< layers, by the blobs said to hold them
    std::map<codec::Digest, std::string> documents_;    ///< blobs that are no layers, and whose
    std::map<std::string, std::string> bad_documents_;  ///< why they cannot be used, by whose

    std::vector<WantedBlob> wanted_;
    std::map<codec::Digest, std::size_t> places_;  ///< in wanted_
    std::set<codec::Digest> elsewhere_;            ///< blobs that are not in the cache
    std::map<codec::Digest, std::string> bad_;     ///< blobs that cannot be had, and why
    std::set<codec::Digest> reported_;
};

// Another machine's files are not where they are on this one: of directories only those are looked
// at that are there, and archives are left alone.
void CacheCheck::add_base(const CacheImage& image, const codec::Manifest& manifest) {
    const auto place = image::ImagePlace::parse(image.name);
    const bool usable = place && (place->kind == image::ImagePlace::Kind::registry ||
                                  place->kind == image::ImagePlace::Kind::oci_layout);
    if (!usable) {
        return;
    }
    auto opened = image::open_source_blocking(*place, session_);
    if (!opened || (*opened)->origin() == cache_.blobs()->origin()) {
        return;
    }
    const std::shared_ptr<image::ImageSource> source = *std::move(opened);
    for (const codec::Descriptor& layer : manifest.layers) {
        bases_[layer.digest].push_back(source);
    }
}

Result<void> CacheCheck::list_bases(const CacheConfig& config) {
    for (const CacheImage& image : config.images) {
        const std::string what = "the documents of " + image.name;
        documents_.emplace(image.manifest.digest, what);
        documents_.emplace(image.config.digest, what);
        want(image.manifest);
        want(image.config);
        const auto documents = cache_.find_image(image.name, image.platform);
        if (documents && *documents) {
            add_base(image, *(*documents)->manifest.manifest);
        } else if (!documents && documents.error().code == std::errc::operation_canceled) {
            return fail(documents.error());
        } else if (!documents) {
            bad_documents_.emplace(what, documents.error().message);
        }
    }
    return {};
}

// What the manifest names should be in the cache, and other blobs where their images are.
void CacheCheck::want(const codec::Descriptor& blob) {
    if (!places_.try_emplace(blob.digest, wanted_.size()).second) {
        return;
    }
    WantedBlob wanted{.blob = blob, .places = {}};
    if (const auto known = bases_.find(blob.digest); known != bases_.end()) {
        wanted.places = known->second;
    }
    const bool named = cache_.named().contains(blob.digest);
    wanted.places.insert(named ? wanted.places.begin() : wanted.places.end(), cache_.blobs());
    wanted_.push_back(std::move(wanted));
}

void CacheCheck::list_blobs(const CacheConfig& config) {
    for (const CacheLayer& layer : config.layers) {
        if (const auto blob = cache_.blob_of(layer)) {
            want(blob->descriptor);
        } else {
            bad_.emplace(layer.blob.digest, "neither the index nor the manifest says its size");
        }
    }
    for (const CacheRecord& record : config.records) {
        if (record.layer && record.id) {
            held_[config.layers[*record.layer].blob.digest].insert(*record.id);
        }
    }
    for (const CacheMount& mount : config.mounts) {
        const std::vector<std::size_t> chain = config.chain(mount.layer);
        for (std::size_t i = 0; i < chain.size(); ++i) {
            held_[config.layers[chain[i]].blob.digest].insert(mount.ids[i]);
        }
    }
    if (config.explain) {
        documents_.emplace(config.explain->digest, "what explains misses");
        want(*config.explain);
    }
}

Result<void> CacheCheck::look() {
    TRY(const std::vector<BlobLook> looks, look_for_blobs(wanted_, session_));
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        const WantedBlob& wanted = wanted_[i];
        if (!looks[i].place) {
            bad_.emplace(wanted.blob.digest, looks[i].why);
        } else if (wanted.places[*looks[i].place] != cache_.blobs()) {
            elsewhere_.insert(wanted.blob.digest);
        }
    }
    return {};
}

Result<void> CacheCheck::read() {
    std::vector<std::string> whys(wanted_.size());
    auto one = [&](std::size_t i) -> Result<void> {
        const codec::Descriptor& blob = wanted_[i].blob;
        if (bad_.contains(blob.digest) || elsewhere_.contains(blob.digest)) {
            return {};
        }
        const auto held = held_.find(blob.digest);
        auto proven =
            read_and_prove(session_, *cache_.blobs(), blob,
                           held == held_.end() ? std::set<codec::Digest>{} : held->second);
        if (!proven && proven.error().code == std::errc::operation_canceled) {
            return proven;
        }
        whys[i] = proven ? "" : proven.error().message;
        session_.console().note(fmt::format("{}  {:>9}  read", image::short_digest(blob.digest),
                                            image::size_text(blob.size_bytes)));
        return {};
    };
    CHECK_OK(exporter::run_parallel(wanted_.size(), exporter::parallel_threads(session_), one));
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        if (!whys[i].empty()) {
            bad_.emplace(wanted_[i].blob.digest, whys[i]);
        }
    }
    if (const auto explanations = cache_.explanations(); !explanations) {
        bad_documents_.emplace("what explains misses", explanations.error().message);
    }
    return {};
}

Have CacheCheck::have(const CacheConfig& config, std::size_t layer,
                      std::vector<std::optional<Have>>& known) const {
    std::vector<std::size_t> above;
    std::optional<std::size_t> at = layer;
    while (at && !known[*at]) {
        above.push_back(*at);
        at = config.layers[*at].parent;
    }
    Have have = at ? *known[*at] : Have{};
    for (auto each = above.rbegin(); each != above.rend(); ++each) {
        const codec::Digest& blob = config.layers[*each].blob.digest;
        have.elsewhere = have.elsewhere || elsewhere_.contains(blob);
        have.bad = bad_.contains(blob) ? blob : have.bad;
        known[*each] = have;
    }
    return have;
}

CheckFinding::Need CacheCheck::need_of(const CacheRecord& record) {
    if (!explanations_) {
        const auto read = cache_.explanations();
        explanations_ = read ? *read : nullptr;
    }
    CheckFinding::Need need{
        .what = fmt::format("the step with the key {}", image::short_digest(record.key)),
        .layer = record.id};
    if (*explanations_ != nullptr) {
        const auto known = (*explanations_)->find(record.key);
        need.what = known == (*explanations_)->end() ? need.what : known->second.text;
    }
    return need;
}

void CacheCheck::report(const codec::Digest& bad, CheckFinding::Need need) {
    const auto place = places_.find(bad);
    codec::Descriptor blob =
        place == places_.end() ? codec::Descriptor{} : wanted_[place->second].blob;
    blob.digest = bad;
    findings_.add_blob(blob, bad_.at(bad), std::move(need));
    reported_.insert(bad);
}

void CacheCheck::account_record(const CacheConfig& config, const CacheRecord& record,
                                const Have* have) {
    ++report_.records;
    if (have != nullptr && have->bad) {
        ++report_.lost;
        report(*have->bad, need_of(record));
    } else if (have != nullptr) {
        ++(have->elsewhere ? report_.elsewhere : report_.here);
    } else if (record.id && !cache_.is_inline() && config.mode == "max") {
        ++report_.lost;
        findings_.add("the cache was exported without these layers, which were lost",
                      need_of(record));
    } else {
        ++report_.without;
    }
}

void CacheCheck::account(const CacheConfig& config) {
    std::vector<std::optional<Have>> known(config.layers.size());
    for (const CacheRecord& record : config.records) {
        const std::optional<Have> found =
            record.layer ? std::optional{have(config, *record.layer, known)} : std::nullopt;
        account_record(config, record, found ? &*found : nullptr);
    }
    for (const CacheMount& mount : config.mounts) {
        if (const Have found = have(config, mount.layer, known); found.bad) {
            report(*found.bad,
                   {.what = "the cache mount " + image::short_digest(mount.key), .layer = {}});
        }
    }
}

// What no record needs is part of the cache all the same.
void CacheCheck::report_rest() {
    for (const auto& [blob, why] : bad_) {
        const auto document = documents_.find(blob);
        if (document != documents_.end()) {
            bad_documents_.erase(document->second);  // said with the blob
            report(blob, {.what = document->second, .layer = {}});
        } else if (!reported_.contains(blob)) {
            report(blob, {.what = "the manifest of the cache", .layer = {}});
        }
    }
    for (const auto& [what, why] : bad_documents_) {
        findings_.add(why, {.what = what, .layer = {}});
    }
}

Result<CheckReport> CacheCheck::run() {
    report_.name = cache_.name();
    if (!cache_.has_own_records() && cache_.record_count() > 0) {
        report_.warnings.push_back(fmt::format(
            "cache {}: written by BuildKit: its keys are not ours; nothing of it can be used",
            cache_.name()));
    }
    for (const CacheConfig& config : cache_.configs()) {
        CHECK_OK(list_bases(config));
    }
    for (const CacheConfig& config : cache_.configs()) {
        list_blobs(config);
    }
    for (const auto& [digest, blob] : cache_.named()) {
        want(blob);
    }
    CHECK_OK(look());
    if (depth_ == CheckDepth::every_byte) {
        CHECK_OK(read());
    }
    std::ranges::for_each(cache_.configs(), [this](const CacheConfig& each) { account(each); });
    report_rest();
    CHECK_OK(session_.check_interrupt());
    report_.blobs = wanted_.size();
    for (const WantedBlob& wanted : wanted_) {
        report_.blob_bytes += wanted.blob.size_bytes;
    }
    report_.findings = findings_.take();
    return std::move(report_);
}

std::size_t count_with_layers(const CacheConfig& config) {
    return static_cast<std::size_t>(std::ranges::count_if(
        config.records, [](const CacheRecord& record) { return record.layer.has_value(); }));
}

}  // namespace

Result<CheckReport> check_cache(const CacheFrom& from, layers::CheckDepth depth,
                                image::Session& session) {
    auto check = [&]() -> Result<CheckReport> {
        TRY(const std::unique_ptr<CacheSource> source, open_source(from, session));
        TRY(const std::unique_ptr<ImportedCache> cache,
            ImportedCache::read(from.name(), *source, session));
        return CacheCheck{*cache, depth, session}.run();
    };
    auto report = check();
    if (!report) {
        return fail(std::move(report).error().context("cache " + from.name()));
    }
    return report;
}

Result<void> check_written(const std::shared_ptr<image::ImageSource>& source,
                           const codec::Descriptor& config, const CacheConfig& written,
                           const std::vector<codec::Descriptor>& blobs, image::Session& session) {
    TRY(const Bytes bytes, session.wait_for(image::read_blob(session, *source, config,
                                                             kConfigBytesMax, session.wait())));
    TRY(const CacheConfig read, CacheConfig::parse(bytes));
    const std::size_t have = count_with_layers(read);
    const std::size_t wanted = count_with_layers(written);
    if (read.records.size() != written.records.size() || have != wanted) {
        return fail(corrupt(
            fmt::format("what was read back has {} records, {} with layers; {} and {} were written",
                        read.records.size(), have, written.records.size(), wanted)));
    }
    if (read.mounts.size() != written.mounts.size()) {
        return fail(corrupt(fmt::format("what was read back has {} cache mounts; {} were written",
                                        read.mounts.size(), written.mounts.size())));
    }
    std::vector<WantedBlob> to_look_for;
    for (const codec::Descriptor& blob : blobs) {
        to_look_for.push_back({.blob = blob, .places = {source}});
    }
    TRY(const std::vector<BlobLook> looks, look_for_blobs(to_look_for, session));
    for (std::size_t i = 0; i < looks.size(); ++i) {
        if (!looks[i].place) {
            return fail(corrupt(fmt::format("{} was written, and cannot be had: {}",
                                            blobs[i].digest.text(), looks[i].why)));
        }
    }
    return {};
}

}  // namespace lazybuild::cache
