// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/base_images.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/file.h"
#include "builder/export/base_blobs.h"
#include "builder/image/open_image.h"

namespace lazybuild::cli {
namespace {

// The number is that of the columns: another shape is another table, and all is looked up again.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS found_images_1(
    place TEXT NOT NULL, platform TEXT NOT NULL, manifest_type TEXT NOT NULL,
    manifest TEXT NOT NULL, config TEXT NOT NULL, found_at_s INTEGER NOT NULL,
    PRIMARY KEY(place, platform));)";

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

bool is_registry(const image::ImagePlace& place) {
    return place.kind == image::ImagePlace::Kind::registry;
}

// Failures of the network rather than of what was asked for.
bool is_unreachable(std::errc code) {
    switch (code) {
        case std::errc::timed_out:
        case std::errc::connection_refused:
        case std::errc::connection_reset:
        case std::errc::host_unreachable:
        case std::errc::network_unreachable:
        case std::errc::network_down:
        case std::errc::io_error: return true;
        default: return false;
    }
}

Bytes to_bytes(const std::string& text) {
    const ByteView view = as_bytes(text);
    return {view.begin(), view.end()};
}

}  // namespace

Result<PullPolicy> parse_pull_policy(const std::string& text) {
    if (text == "always" || text == "true") {
        return PullPolicy::always;
    }
    if (text == "missing" || text == "false") {
        return PullPolicy::missing;
    }
    if (text == "newer") {
        return PullPolicy::newer;
    }
    if (text == "never") {
        return PullPolicy::never;
    }
    return fail(invalid(fmt::format("--pull: {} is none of always, newer, missing, never", text)));
}

Result<std::unique_ptr<BaseImages>> BaseImages::open(const std::string& root,
                                                     image::Session& session, PullPolicy policy,
                                                     Kept kept, cache::Imports* imports) {
    CHECK_OK(make_directories(root, 0700));
    TRY(store::Database database, store::Database::open(root + "/build.db"));
    CHECK_OK(database.execute(kSchema));
    return std::unique_ptr<BaseImages>(
        new BaseImages(session, policy, std::move(kept), imports, std::move(database)));
}

Result<std::vector<std::vector<codec::Digest>>> BaseImages::found_layers(const std::string& root) {
    TRY(store::Database database, store::Database::open(root + "/build.db"));
    TRY(const std::int64_t there,
        database.number("SELECT count(*) FROM sqlite_schema WHERE name = 'found_images_1'"));
    std::vector<std::vector<codec::Digest>> found;
    if (there == 0) {
        return found;
    }
    TRY(store::Statement rows,
        database.prepare("SELECT manifest, manifest_type FROM found_images_1"));
    for (;;) {
        TRY(const bool more, rows.step());
        if (!more) {
            return found;
        }
        const std::string text = rows.text(0);
        if (const auto manifest = codec::Manifest::parse(as_bytes(text), rows.text(1))) {
            found.push_back(layers::image_layer_ids(*manifest));
        }
    }
}

Result<std::shared_ptr<image::ImageSource>> BaseImages::source_of(const std::string& place) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<image::ImageSource>& source = sources_[place];
    if (source == nullptr) {
        TRY(const image::ImagePlace parsed, image::ImagePlace::parse(place));
        TRY(auto opened, image::open_source_blocking(parsed, session_));
        source = std::move(opened);
    }
    return source;
}

Result<std::optional<BaseImages::Found>> BaseImages::known(const std::string& place,
                                                           const std::string& platform) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement row,
        database_.prepare("SELECT manifest_type, manifest, config FROM found_images_1 "
                          "WHERE place = ?1 AND platform = ?2"));
    TRY(const bool is_known, row.bind(1, place).bind(2, platform).step());
    if (!is_known) {
        return std::nullopt;
    }
    Found found;
    const std::string type = row.text(0);
    found.manifest.bytes = to_bytes(row.text(1));
    found.manifest.descriptor = image::describe(type, found.manifest.bytes);
    TRY(found.manifest.manifest, codec::Manifest::parse(found.manifest.bytes, type));
    found.config.bytes = to_bytes(row.text(2));
    TRY(found.config.config, codec::ImageConfig::parse(found.config.bytes));
    return found;
}

Result<void> BaseImages::remember(const std::string& place, const std::string& platform,
                                  const Found& found) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement insert,
        database_.prepare("INSERT OR REPLACE INTO found_images_1(place, platform, manifest_type, "
                          "manifest, config, found_at_s) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
    return insert.bind(1, place)
        .bind(2, platform)
        .bind(3, found.manifest.descriptor.media_type)
        .bind(4, as_text(found.manifest.bytes))
        .bind(5, as_text(found.config.bytes))
        .bind(6, now_s())
        .run();
}

Result<BaseImages::Found> BaseImages::look_up(const std::string& place,
                                              const codec::Platform& platform) {
    TRY(const auto source, source_of(place));
    TRY(image::ImageDocument root, session_.wait_for(image::read_root(*source, session_.wait())));
    TRY(image::ImageDocument manifest, session_.wait_for(image::choose_manifest(
                                           *source, std::move(root), platform, session_.wait())));
    TRY(image::ConfigDocument config, session_.wait_for(image::read_config(
                                          session_, *source, *manifest.manifest, session_.wait())));
    return Found{.manifest = std::move(manifest), .config = std::move(config)};
}

BaseImages::Found BaseImages::take_imported(const std::string& place, cache::Imports::Image image) {
    const std::lock_guard lock(mutex_);
    sources_.insert_or_assign(place, std::move(image.source));
    return Found{.manifest = std::move(image.manifest), .config = std::move(image.config)};
}

// Of a registry's image. A cache that has exactly the manifest is as good as the registry; what a
// cache merely says of a name is taken when the registry cannot be asked, and not remembered.
Result<BaseImages::Found> BaseImages::look_up_outside(const image::ImagePlace& parsed,
                                                      const std::string& place,
                                                      const codec::Platform& platform,
                                                      std::optional<Found> before) {
    const auto& digest = parsed.reference.digest;
    std::optional<cache::Imports::Image> imported;
    if (imports_ != nullptr && digest) {
        imported = imports_->find_image(place, platform.text());
        if (imported && imported->manifest.descriptor.digest == *digest) {
            return take_imported(place, *std::move(imported));
        }
    }
    auto found = look_up(place, platform);
    if (found) {
        CHECK_OK(remember(place, platform.text(), *found));
        return found;
    }
    if (!is_unreachable(found.error().code) || policy_ == PullPolicy::always) {
        return found;
    }
    if (before) {
        return *std::move(before);
    }
    if (imports_ != nullptr && !imported) {
        imported = imports_->find_image(place, platform.text());
    }
    if (!imported) {
        return found;
    }
    session_.console().note(fmt::format(
        "warning: {}; taken from the cache {}, which says that it is {}", found.error().message,
        imported->cache, imported->manifest.descriptor.digest.text()));
    return take_imported(place, *std::move(imported));
}

Result<bool> BaseImages::use_kept(const image::ImagePlace& place) {
    const bool asked_to_look = policy_ == PullPolicy::always || policy_ == PullPolicy::newer;
    if (!is_registry(place) || place.reference.digest || asked_to_look) {
        return false;
    }
    TRY(auto source, kept_(place.reference.text()));
    if (source == nullptr) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    sources_.try_emplace(place.text(), std::move(source));
    return true;
}

Result<const BaseImages::Found*> BaseImages::find(const std::string& place,
                                                  const codec::Platform& platform) {
    const auto key = std::pair(place, platform.text());
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = found_.find(key); found != found_.end()) {
            return found->second.get();
        }
    }
    TRY(const image::ImagePlace parsed, image::ImagePlace::parse(place));
    TRY(const bool is_kept, use_kept(parsed));
    std::optional<Found> before;
    if (is_registry(parsed) && !is_kept) {
        TRY(before, known(place, key.second));
    }
    const bool fixed = parsed.reference.digest.has_value();
    const bool use_it =
        before && (fixed || policy_ == PullPolicy::missing || policy_ == PullPolicy::never);
    if (!use_it) {
        if (policy_ == PullPolicy::never && is_registry(parsed) && !is_kept) {
            return fail(Error{.code = std::errc::no_such_file_or_directory,
                              .message = place + ": not known here, and --pull=never"});
        }
        TRY(before, is_registry(parsed) && !is_kept
                        ? look_up_outside(parsed, place, platform, std::move(before))
                        : look_up(place, platform));
    }
    const std::lock_guard lock(mutex_);
    auto& found = found_[key];
    if (found == nullptr) {
        found = std::make_unique<Found>(*std::move(before));
    }
    return found.get();
}

Result<graph::KnownImage> BaseImages::resolve(const graph::ImageWanted& wanted) {
    TRY(const Found* const found, find(wanted.place, wanted.platform));
    graph::KnownImage known{.name = wanted.place,
                            .manifest = found->manifest.descriptor.digest,
                            .platform = found->config.config.platform,
                            .layers = found->manifest.manifest->layers.size()};
    TRY(known.settings, graph::ImageSettings::parse(found->config.bytes));
    return known;
}

Result<std::vector<codec::Digest>> BaseImages::layer_ids(const graph::ImageStep& step,
                                                         const codec::Platform& platform,
                                                         layers::LayerStore& store) {
    TRY(const Found* const found, find(step.place, platform));
    TRY(const auto source, source_of(step.place));
    CHECK_OK(exporter::remember_base(store, found->manifest, found->config, source->origin()));
    return layers::image_layer_ids(*found->manifest.manifest);
}

Result<layers::Snapshot> BaseImages::layers(const graph::ImageStep& step,
                                            const codec::Platform& platform,
                                            layers::LayerStore& store) {
    TRY(const Found* const found, find(step.place, platform));
    TRY(auto source, source_of(step.place));
    return store.open_image(std::move(source), found->manifest, found->config);
}

Result<cache::BaseImage> BaseImages::documents(const graph::ImageStep& step,
                                               const codec::Platform& platform,
                                               layers::LayerStore& store) {
    TRY(const Found* const found, find(step.place, platform));
    TRY(auto source, source_of(step.place));
    return cache::BaseImage{.name = step.place,
                            .platform = platform.text(),
                            .manifest = found->manifest,
                            .config = found->config,
                            .origin = source->origin(),
                            .open = [&store, found, source] {
                                return store.open_image(source, found->manifest, found->config);
                            }};
}

}  // namespace lazybuild::cli
