// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/export_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "builder/cache/cache_config.h"
#include "builder/image/work.h"
#include "tests/support/docker_registry.h"
#include "tests/support/says.h"
#include "tests/unit/cache/cache_fixture.h"

namespace lazybuild::cache {
namespace {

using test::CacheFixture;
using test::FakeStore;
using test::LayerBuilder;

std::size_t count(const std::string& text, std::string_view words) {
    std::size_t found = 0;
    for (std::size_t at = text.find(words); at != std::string::npos;
         at = text.find(words, at + 1)) {
        ++found;
    }
    return found;
}

class ExportCacheTest : public CacheFixture {
  protected:
    /// The manifest and the config that a layout's tag names.
    CacheConfig config_in(const std::string& layout, const std::string& tag = "latest") {
        manifest_ = cli::manifest_in(layout, tag).value_or(codec::Manifest{});
        EXPECT_EQ(manifest_.config.media_type, kConfigType);
        const std::string text =
            cli::TestLayout::read(layout + "/blobs/sha256/" + manifest_.config.digest.hex());
        auto config = CacheConfig::parse(as_bytes(text));
        EXPECT_TRUE(config) << config.error().message;
        return config.value_or(CacheConfig{});
    }
    static std::size_t with_layers(const CacheConfig& config) {
        return static_cast<std::size_t>(std::ranges::count_if(
            config.records, [](const CacheRecord& record) { return record.layer.has_value(); }));
    }
    bool has_blob(const std::string& layout, const codec::Digest& digest) const {
        return std::filesystem::exists(layout + "/blobs/sha256/" + digest.hex());
    }

    BuiltMount mount(const std::string& name, const std::vector<std::string>& files) {
        BuiltMount made{.key = test::digest_of(name), .name = name, .layer_ids = {}};
        for (const std::string& file : files) {
            const auto layer = LayerBuilder{}.file(file, name + file).finish(name + file);
            store_.known[layer->id()] = layer;
            made.layer_ids.push_back(layer->id());
        }
        return made;
    }

    codec::Manifest manifest_;
};

TEST_F(ExportCacheTest, max_has_the_layers_of_every_step_and_of_bases) {
    const ExportedCache exported = export_to("type=local,mode=max,dest=" + local("cache"), built());
    EXPECT_EQ(exported.records, 3U);
    EXPECT_EQ(exported.dropped + exported.metadata_only, 0U);
    EXPECT_EQ(exported.layers, 4U);
    const CacheConfig config = config_in(local("cache"));
    EXPECT_EQ(config.records.size(), 4U);  // one of the steps has two keys
    EXPECT_EQ(with_layers(config), 4U);
    EXPECT_TRUE(has_blob(local("cache"), base_layer_.blob.digest));
    for (const codec::Descriptor& blob : manifest_.layers) {
        EXPECT_TRUE(has_blob(local("cache"), blob.digest)) << blob.media_type;
    }
    for (const CacheRecord& record : config.records) {
        const auto chain = config.chain(record.layer.value());
        EXPECT_EQ(config.layers[chain.front()].blob.digest, base_layer_.blob.digest);
    }
    EXPECT_EQ(exported.summary(Mode::max),
              fmt::format("cache {}: 3 records exported, 0 metadata only, 0 dropped; 4 layers, 4 "
                          "uploaded ({}), 0 mounted",
                          local("cache"), image::size_text(exported.uploaded_bytes)));
}

TEST_F(ExportCacheTest, min_has_the_layers_of_the_result) {
    const ExportedCache exported = export_to("type=local,dest=" + local("cache"), built());
    EXPECT_EQ(exported.records, 2U);
    EXPECT_EQ(exported.metadata_only, 1U);
    EXPECT_TRUE(says(exported.summary(Mode::min), "1 metadata only (mode=min), 0 dropped"));
    const CacheConfig config = config_in(local("cache"));
    EXPECT_EQ(config.records.size(), 4U);
    EXPECT_EQ(with_layers(config), 3U);
    EXPECT_EQ(config.mode, "min");
}

TEST_F(ExportCacheTest, equal_builds_are_equal_bytes_and_nothing_is_written_again) {
    const ExportedCache first = export_to("type=local,mode=max,dest=" + local("one"), built());
    EXPECT_FALSE(first.unchanged);
    BuiltCache other = built();
    // Another platform that has the same steps adds nothing.
    other.records.push_back(other.records[0]);
    other.records.push_back(other.records[1]);
    const ExportedCache again = export_to("type=local,mode=max,dest=" + local("one"), other);
    EXPECT_TRUE(again.unchanged);
    EXPECT_EQ(again.records, 3U);
    EXPECT_EQ(again.uploaded, 0U);
    const ExportedCache elsewhere = export_to("type=local,mode=max,dest=" + local("two"), other);
    EXPECT_EQ(elsewhere.root.digest, first.root.digest);
}

TEST_F(ExportCacheTest, a_layer_that_is_lost_drops_its_records_with_a_reason) {
    lose(tool_);
    const ExportedCache exported = export_to("type=local,mode=max,dest=" + local("cache"), built());
    EXPECT_EQ(exported.dropped, 1U);
    EXPECT_EQ(exported.records, 2U);
    EXPECT_TRUE(says(progress_.log, "\"RUN make tool\" is without its layers: layer " +
                                        tool_.layer.hex().substr(0, 12)))
        << progress_.log;
    EXPECT_TRUE(says(exported.summary(Mode::max), "1 dropped"));
    EXPECT_EQ(with_layers(config_in(local("cache"))), 3U);
}

TEST_F(ExportCacheTest, strict_makes_what_is_dropped_an_error) {
    const auto good = export_to("type=local,mode=min,dest=" + local("cache"), built()).root.digest;
    lose(tool_);
    const auto exported =
        try_export("type=local,mode=max,strict=true,dest=" + local("cache"), built());
    ASSERT_FALSE(exported);
    EXPECT_TRUE(says(exported.error().message, "1 of 3 records had to be dropped"));
    EXPECT_TRUE(says(exported.error().message, "RUN make tool"));
    EXPECT_TRUE(says(progress_.log, "\"RUN make tool\" is without its layers")) << progress_.log;
    EXPECT_TRUE(says(directory_.read("cache/index.json"), good.text()));
}

TEST_F(ExportCacheTest, what_min_does_not_want_is_not_missed) {
    lose(tool_);
    EXPECT_EQ(export_to("type=local,strict=true,dest=" + local("cache"), built()).dropped, 0U);
}

TEST_F(ExportCacheTest, ignore_error_makes_failures_warnings) {
    directory_.run("echo x > file");
    const auto failed = try_export("type=local,dest=" + local("file"), built());
    ASSERT_FALSE(failed);
    EXPECT_TRUE(says(failed.error().message, "cache " + local("file")));
    const auto ignored = try_export("type=local,ignore-error=true,dest=" + local("file"), built());
    ASSERT_TRUE(ignored) << ignored.error().message;
    EXPECT_TRUE(ignored->failed);
    EXPECT_TRUE(says(progress_.log, "warn cache " + local("file"))) << progress_.log;
}

TEST_F(ExportCacheTest, caches_with_different_tags_share_a_directory) {
    export_to("type=local,mode=max,tag=a,dest=" + local("cache"), built());
    BuiltCache less = built();
    less.records.pop_back();
    export_to("type=local,mode=max,tag=b,dest=" + local("cache"), less);
    EXPECT_EQ(config_in(local("cache"), "a").records.size(), 4U);
    EXPECT_EQ(config_in(local("cache"), "b").records.size(), 3U);
    const std::size_t before = manifest_.layers.size();
    export_to("type=local,mode=max,tag=b,reset=true,dest=" + local("cache"), less);
    EXPECT_FALSE(says(cli::TestLayout::read(local("cache") + "/index.json"), "\"a\""));
    EXPECT_EQ(config_in(local("cache"), "b").layers.size(), 3U);
    EXPECT_EQ(manifest_.layers.size(), before);
    for (const codec::Descriptor& blob : manifest_.layers) {
        EXPECT_TRUE(has_blob(local("cache"), blob.digest));
    }
}

TEST_F(ExportCacheTest, exporters_at_once_write_one_directory) {
    const CacheTo one = to("type=local,mode=max,tag=one,dest=" + local("cache"));
    const CacheTo two = to("type=local,mode=max,tag=two,dest=" + local("cache"));
    exporter::BlobFlights flights;
    BuiltCache both = built();
    both.flights = &flights;
    session_->run_blocking([&] {
        std::jthread other(
            [&] { EXPECT_TRUE(export_cache(one, both, store_, *session_, progress_)); });
        EXPECT_TRUE(export_cache(two, both, store_, *session_, progress_));
        return 0;
    });
    EXPECT_EQ(store_.kept, 3);  // each layer was made a blob once
    EXPECT_EQ(config_in(local("cache"), "one").serialize(),
              config_in(local("cache"), "two").serialize());
}

TEST_F(ExportCacheTest, a_registry_takes_nothing_twice) {
    LAZYBUILD_START_REGISTRY(registry);
    const std::string where = "type=registry,mode=max,ref=" + registry->host() + "/app:cache";
    const ExportedCache first = export_to(where, built());
    EXPECT_EQ(first.records, 3U);
    EXPECT_EQ(first.uploaded, 4U);  // a base that is in no registry has to be in the cache
    const std::string before = registry->log();
    const ExportedCache again = export_to(where, built());
    EXPECT_TRUE(again.unchanged);
    EXPECT_EQ(again.root.digest, first.root.digest);
    const std::string after = registry->log().substr(before.size());
    EXPECT_EQ(count(after, "\"POST "), 0U) << after;
    EXPECT_EQ(count(after, "\"PUT "), 0U) << after;
    EXPECT_LE(count(after, "\"HEAD ") + count(after, "\"GET "), 3U) << after;
}

TEST_F(ExportCacheTest, bases_of_the_registry_are_mounted_and_never_fetched) {
    LAZYBUILD_START_REGISTRY(registry);
    directory_.run("skopeo copy -q --dest-tls-verify=false oci:base:1 docker://" +
                   registry->host() + "/library/base:1");
    base_.name = registry->host() + "/library/base:1";
    base_.origin = {
        .kind = store::Origin::Kind::registry, .host = registry->host(), .path = "library/base"};
    const ExportedCache exported =
        export_to("type=registry,mode=max,ref=" + registry->host() + "/app:cache", built());
    EXPECT_EQ(exported.mounted, 1U);
    EXPECT_EQ(exported.uploaded, 3U);
    EXPECT_FALSE(
        says(registry->log(), "GET /v2/library/base/blobs/" + base_layer_.blob.digest.text()));
}

TEST_F(ExportCacheTest, bases_of_another_registry_stay_there) {
    LAZYBUILD_START_REGISTRY(registry);
    base_.origin = {
        .kind = store::Origin::Kind::registry, .host = "gone.example", .path = "library/base"};
    const ExportedCache exported =
        export_to("type=registry,mode=max,ref=" + registry->host() + "/app:cache", built());
    EXPECT_EQ(exported.elsewhere.at("gone.example"), 1U);
    EXPECT_EQ(exported.records, 3U);
    EXPECT_TRUE(says(exported.summary(Mode::max), "; 1 base layer stays in gone.example"));
}

TEST(ExportedCache, names_the_registries_in_which_layers_of_bases_stay) {
    ExportedCache exported;
    EXPECT_FALSE(says(exported.summary(Mode::max), "stay"));
    exported.elsewhere = {{"docker.io", 2}, {"quay.io", 1}};
    EXPECT_TRUE(
        says(exported.summary(Mode::max), "; 2 base layers stay in docker.io, 1 in quay.io"));
}

TEST_F(ExportCacheTest, an_index_holds_a_cache_as_well) {
    LAZYBUILD_START_REGISTRY(registry);
    const std::string ref = registry->host() + "/app:cache";
    export_to("type=registry,mode=max,image-manifest=false,ref=" + ref, built());
    export_to("type=registry,mode=max,oci-mediatypes=false,ref=" + ref + "2", built());
    const auto manifest = [this](const std::string& of) {
        const std::string file = directory_ / "manifest";
        directory_.run("skopeo inspect --raw --tls-verify=false docker://" + of + " > " + file);
        return directory_.read("manifest");
    };
    EXPECT_TRUE(says(manifest(ref), codec::media_type::kOciLayerGzip));
    EXPECT_TRUE(says(manifest(ref + "2"), codec::media_type::kDockerLayerGzip));
    EXPECT_FALSE(says(manifest(ref + "2"), "vnd.oci.image"));
    FakeStore fresh{directory_ / "fresh"};
    for (const std::string& each : {ref, ref + "2"}) {
        with_imports({each}, fresh, [&](Imports& imports) {
            EXPECT_TRUE(imports.find(last_.keys[0].key)) << progress_.log;
        });
    }
}

TEST_F(ExportCacheTest, a_cache_that_is_not_written_lacks_nothing) {
    BuiltCache with = built();
    with.records.front().keys.clear();
    const std::string where = "type=local,mode=max,dest=" + local("cache");
    const ExportedCache exported = export_to(where, with);
    EXPECT_TRUE(says(progress_.log, "is left out")) << progress_.log;
    progress_.log.clear();
    // Where its index would go, there is something that cannot be replaced.
    directory_.run("cd cache/blobs/sha256 && c=$(jq -r .config.digest " +
                   exported.root.digest.hex() + " | cut -d : -f 2) && rm $c && mkdir -p $c/x");
    ASSERT_FALSE(try_export(where, with));
    EXPECT_FALSE(says(progress_.log, "is left out")) << progress_.log;
}

TEST_F(ExportCacheTest, a_registry_that_is_gone_is_named) {
    const auto exported = try_export("type=registry,ref=127.0.0.1:1/app:cache", built());
    ASSERT_FALSE(exported);
    EXPECT_TRUE(says(exported.error().message, "cache 127.0.0.1:1/app:cache"))
        << exported.error().message;
}

TEST_F(ExportCacheTest, cache_mounts_go_along_when_they_are_asked_for) {
    BuiltCache with = built();
    with.mounts = {mount("go", {"a", "b"}), mount("npm", {"c"})};
    EXPECT_EQ(export_to("type=local,mode=max,dest=" + local("without"), with).mounts, 0U);
    const std::string where = "type=local,mode=max,mounts=true,compression=zstd,dest=";
    const ExportedCache exported = export_to(where + local("cache"), with);
    EXPECT_EQ(exported.mounts, 2U);
    EXPECT_EQ(exported.layers, 7U);
    EXPECT_TRUE(says(exported.summary(Mode::max), ", 2 cache mounts"));
    const CacheConfig config = config_in(local("cache"));
    ASSERT_EQ(config.mounts.size(), 2U);
    for (const CacheMount& each : config.mounts) {
        for (const std::size_t layer : config.chain(each.layer)) {
            EXPECT_EQ(config.layers[layer].compression, layers::Compression::estargz);
            EXPECT_TRUE(has_blob(local("cache"), config.layers[layer].blob.digest));
        }
    }
    EXPECT_TRUE(export_to(where + local("cache"), with).unchanged);
}

TEST_F(ExportCacheTest, a_cache_mount_without_a_layer_is_left_out_with_a_warning) {
    BuiltCache with = built();
    with.mounts = {mount("go", {"a", "b"})};
    store_.known.erase(with.mounts[0].layer_ids[0]);
    const ExportedCache exported =
        export_to("type=local,mode=max,strict=true,mounts=true,dest=" + local("cache"), with);
    EXPECT_EQ(exported.mounts + exported.dropped, 0U);
    ASSERT_EQ(exported.warnings.size(), 1U);
    EXPECT_TRUE(says(exported.warnings[0], "the cache mount go is left out: "));
}

}  // namespace
}  // namespace lazybuild::cache
