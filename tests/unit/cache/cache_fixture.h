// SPDX-License-Identifier: Apache-2.0
// A build as an exporter of caches sees it: steps on a base, in two stages, and where they end.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "builder/cache/export_cache.h"
#include "builder/cache/import_cache.h"
#include "builder/solve/key.h"
#include "codec/sha256.h"
#include "tests/unit/export/test_store.h"

namespace lazybuild::cache::test {

using exporter::test::FakeStore;
using exporter::test::LayerBuilder;

inline codec::Digest digest_of(std::string_view text) {
    return codec::sha256(as_bytes(text));
}

/// The text of a key, on the file system of `layer_ids`.
inline solve::StepKey key_of(const std::string& definition,
                             std::span<const codec::Digest> layer_ids) {
    solve::KeyText text{definition};
    text.add("base", solve::chain_id(layer_ids).text());
    return {.key = text.key(), .definition = text.text()};
}

class CacheFixture : public exporter::test::ExportFixture {
  protected:
    /// A base image of one layer in an OCI layout; a RUN on it in stage "build", and in the second
    /// stage, on the same base, a COPY of what that made and another RUN.
    CacheFixture() {
        const cli::TestLayout layout{directory_, "base"};
        base_layer_ = layout.add_layer("head -c 200000 /dev/urandom > b");
        base_manifest_ = layout.add_image({base_layer_});
        layout.write_index({{base_manifest_.entry(), "1"}});
        base_.name = "oci:" + layout.path() + ":1";
        base_.platform = "linux/amd64";
        const std::string manifest = layout.read(layout.blob_path(base_manifest_.digest));
        base_.manifest.bytes.assign(as_bytes(manifest).begin(), as_bytes(manifest).end());
        base_.manifest.manifest = *codec::Manifest::parse(as_bytes(manifest), "");
        base_.manifest.descriptor =
            image::describe(base_manifest_.media_type, base_.manifest.bytes);
        const std::string config =
            layout.read(layout.blob_path(base_.manifest.manifest->config.digest));
        base_.config.bytes.assign(as_bytes(config).begin(), as_bytes(config).end());
        base_.config.config = *codec::ImageConfig::parse(as_bytes(config));
        base_.origin = {.kind = store::Origin::Kind::oci_layout, .host = {}, .path = layout.path()};
        base_id_ = layers::image_layer_ids(*base_.manifest.manifest).front();
        make_steps();
    }

    BuiltCache built() const {
        return {.records = {tool_, copy_, last_},
                .results = {last_.layer_ids},
                .bases = {base_},
                .flights = nullptr};
    }
    static CacheTo to(const std::string& text) {
        auto parsed = CacheTo::parse(text, false);
        EXPECT_TRUE(parsed) << parsed.error().message;
        return parsed.value_or(CacheTo{});
    }
    static CacheFrom from(const std::string& text) {
        auto parsed = CacheFrom::parse(text);
        EXPECT_TRUE(parsed) << parsed.error().message;
        return parsed.value_or(CacheFrom{});
    }
    Result<ExportedCache> try_export(const std::string& text, const BuiltCache& built) {
        const CacheTo where = to(text);
        return session_->run_blocking(
            [&] { return export_cache(where, built, store_, *session_, progress_); });
    }
    ExportedCache export_to(const std::string& text, const BuiltCache& built) {
        auto exported = try_export(text, built);
        EXPECT_TRUE(exported) << exported.error().message;
        return exported.value_or(ExportedCache{});
    }
    /// What `look` makes of the caches, for a store that knows nothing.
    template <class Look>
    void with_imports(const std::vector<std::string>& texts, FakeStore& store, Look look) {
        std::vector<CacheFrom> places;
        for (const std::string& text : texts) {
            places.push_back(from(text));
        }
        session_->run_blocking([&] {
            const auto imports = Imports::start(places, store, *session_, progress_);
            look(*imports);
            return 0;
        });
    }
    std::string local(const std::string& name) const { return directory_ / name; }
    void lose(const solve::StepRecord& step) { store_.known.erase(step.layer); }

    cli::TestLayer base_layer_;
    cli::TestBlob base_manifest_;
    BaseImage base_;
    codec::Digest base_id_;
    solve::StepRecord tool_, copy_, last_;

  private:
    solve::StepRecord step(const std::string& text, const std::string& stage,
                           std::vector<codec::Digest> below, const std::string& file) {
        const auto layer = LayerBuilder{}.file(file, "content of " + file).finish();
        store_.known[layer->id()] = layer;
        solve::StepRecord made{.step = 0,
                               .keys = {key_of(text, below)},
                               .base = solve::chain_id(below),
                               .layer = layer->id(),
                               .layer_ids = std::move(below),
                               .text = text,
                               .stage = stage};
        made.layer_ids.push_back(layer->id());
        return made;
    }
    void make_steps() {
        tool_ = step("RUN make tool", "build", {base_id_}, "tool");
        copy_ = step("COPY --from=build /tool /tool", "1", {base_id_}, "copied");
        copy_.keys.push_back({.key = digest_of("by content"), .definition = "by content"});
        copy_.inputs = {{tool_.keys[0].key}};
        copy_.files = {"tool sha256:aa"};
        last_ = step("RUN tool", "1", copy_.layer_ids, "made");
        last_.inputs = {{copy_.keys[0].key, copy_.keys[1].key}};
    }
};

}  // namespace lazybuild::cache::test
