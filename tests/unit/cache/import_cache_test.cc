// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/import_cache.h"

#include <gtest/gtest.h>

#include "builder/cache/cache_config.h"
#include "builder/cache/container.h"
#include "builder/cache/inline_cache.h"
#include "builder/export/base_blobs.h"
#include "tests/support/docker_registry.h"
#include "tests/support/says.h"
#include "tests/unit/cache/cache_fixture.h"

namespace lazybuild::cache {
namespace {

using test::CacheFixture;
using test::FakeStore;

class ImportCacheTest : public CacheFixture {
  protected:
    ImportCacheTest() : fresh_(directory_ / "fresh") {}
    template <class Look>
    void import(const std::vector<std::string>& texts, Look look) {
        with_imports(texts, fresh_, look);
    }
    std::string cache(const std::string& more = "mode=max") {
        export_to("type=local," + more + ",dest=" + local("cache"), built());
        return "type=local,src=" + local("cache");
    }
    /// A layout whose only image is a cache with this config.
    std::string hand_made(const std::string& config) {
        const cli::TestLayout layout{directory_, "made"};
        const cli::TestBlob blob = layout.add(config);
        cli::TestBlob manifest = layout.add(
            fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[]}})",
                        codec::media_type::kOciManifest, blob.json(kConfigType)));
        manifest.media_type = codec::media_type::kOciManifest;
        layout.write_index({{manifest.entry(), "latest"}});
        return "type=local,src=" + layout.path();
    }

    FakeStore fresh_;
};

TEST_F(ImportCacheTest, finds_what_was_exported_by_all_its_keys) {
    import({cache()}, [&](Imports& imports) {
        const auto by_name = imports.find(copy_.keys[0].key);
        ASSERT_TRUE(by_name) << progress_.log;
        EXPECT_EQ(by_name->record.layer, copy_.layer);
        EXPECT_EQ(by_name->record.content_key, copy_.keys[1].key);
        EXPECT_EQ(by_name->cache, local("cache"));
        EXPECT_EQ(by_name->no_layer, "");
        EXPECT_EQ(by_name->record.inputs, std::vector{tool_.keys[0].key});
        EXPECT_EQ(imports.find(copy_.keys[1].key)->record.layer, copy_.layer);
        EXPECT_FALSE(imports.find(test::digest_of("another key")));
    });
    const auto blobs = fresh_.blobs(tool_.layer);
    ASSERT_EQ(blobs->size(), 1U);
    EXPECT_TRUE(blobs->front().imported);
    EXPECT_EQ(blobs->front().compression, layers::Compression::estargz);
    EXPECT_TRUE(
        blobs->front().descriptor.annotations.contains("containerd.io/snapshot/stargz/toc.digest"));
    EXPECT_FALSE(fresh_.origins(base_layer_.blob.digest)->empty());
}

TEST_F(ImportCacheTest, says_why_a_record_has_no_layer) {
    import({cache("mode=min")}, [&](Imports& imports) {
        const auto found = imports.find(tool_.keys[0].key);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->record.layer, tool_.layer);  // steps above it are found all the same
        EXPECT_TRUE(says(found->no_layer, "exported with mode=min"));
        EXPECT_EQ(imports.find(last_.keys[0].key)->no_layer, "");
    });
}

TEST_F(ImportCacheTest, explains_from_a_blob_of_its_own) {
    import({cache()}, [&](Imports& imports) {
        const auto alike = imports.similar(copy_.text, 10);
        ASSERT_EQ(alike.size(), 2U);  // its two keys
        EXPECT_EQ(alike[0].record.files, copy_.files);
        EXPECT_EQ(alike[0].record.layer, copy_.layer);
        const auto children = imports.children(solve::chain_id(copy_.layer_ids), 10);
        ASSERT_EQ(children.size(), 1U);
        EXPECT_EQ(children[0].record.text, "RUN tool");
        EXPECT_EQ(children[0].record.definition, last_.keys[0].definition);
        EXPECT_EQ(imports.similar(copy_.text, 1).size(), 1U);
    });
}

TEST_F(ImportCacheTest, knows_the_bases) {
    import({cache()}, [&](Imports& imports) {
        const auto image = imports.find_image(base_.name, base_.platform);
        ASSERT_TRUE(image) << progress_.log;
        EXPECT_EQ(image->manifest.bytes, base_.manifest.bytes);
        EXPECT_EQ(image->manifest.descriptor.digest, base_.manifest.descriptor.digest);
        EXPECT_EQ(image->config.config.diff_ids, base_.config.config.diff_ids);
        EXPECT_FALSE(imports.find_image(base_.name, "linux/arm64"));
        EXPECT_FALSE(imports.find_image("other", base_.platform));
    });
}

// As a build that found every step in the cache has it: what was not needed is not known.
BuiltCache found_in_a_cache(BuiltCache built) {
    for (solve::StepRecord& step : built.records) {
        step.resolution = solve::Resolution::imported;
        step.files.clear();
        for (std::size_t i = 1; i < step.keys.size(); ++i) {
            step.keys[i].definition.clear();
        }
    }
    return built;
}

TEST_F(ImportCacheTest, an_imported_cache_is_exported_without_its_layers_being_opened) {
    const std::string where = cache();
    const codec::Digest before =
        export_to("type=local,mode=max,dest=" + local("cache"), built()).root.digest;
    import({where}, [&](Imports& imports) {
        BuiltCache found = found_in_a_cache(built());
        found.imports = &imports;
        for (const char* const name : {"again", "cache"}) {
            const auto exported = export_cache(to("type=local,mode=max,dest=" + local(name)), found,
                                               fresh_, *session_, progress_);
            ASSERT_TRUE(exported) << exported.error().message;
            EXPECT_EQ(exported->dropped, 0U);
            EXPECT_EQ(exported->root.digest, before);
            EXPECT_EQ(exported->unchanged, name == std::string_view{"cache"});
        }
    });
}

TEST_F(ImportCacheTest, an_unchanged_cache_is_left_without_its_explanations_being_fetched) {
    LAZYBUILD_START_REGISTRY(registry);
    const std::string ref = registry->host() + "/app:cache";
    export_to("type=registry,mode=max,ref=" + ref, built());
    import({ref}, [&](Imports& imports) {
        BuiltCache found = found_in_a_cache(built());
        found.imports = &imports;
        EXPECT_TRUE(imports.find(last_.keys[0].key));
        const std::string before = registry->log();
        const auto exported = export_cache(to("type=registry,mode=max,ref=" + ref), found, fresh_,
                                           *session_, progress_);
        ASSERT_TRUE(exported) << exported.error().message;
        EXPECT_TRUE(exported->unchanged);
        const std::string log = registry->log().substr(before.size());
        EXPECT_FALSE(says(log, "\"POST ")) << log;
        EXPECT_FALSE(says(log, "\"PUT ")) << log;
    });
}

TEST_F(ImportCacheTest, reads_a_manifest_and_an_index_and_no_layer) {
    LAZYBUILD_START_REGISTRY(registry);
    const std::string ref = registry->host() + "/app:cache";
    export_to("type=registry,mode=max,ref=" + ref, built());
    const std::string before = registry->log();
    import({ref}, [&](Imports& imports) { EXPECT_TRUE(imports.find(last_.keys[0].key)); });
    const std::string log = registry->log().substr(before.size());
    std::size_t requests = 0;
    for (std::size_t at = log.find("\"GET /v2/app/"); at != std::string::npos;
         at = log.find("\"GET /v2/app/", at + 1)) {
        ++requests;
    }
    EXPECT_EQ(requests, 2U) << log;
}

TEST_F(ImportCacheTest, goes_over_plain_http_where_it_is_told_to) {
    LAZYBUILD_START_REGISTRY(registry);
    // No loopback name, but the same server.
    const std::string host = "0.0.0.0" + registry->host().substr(registry->host().rfind(':'));
    const std::string ref = "type=registry,ref=" + host + "/app:cache";
    export_to(ref + ",mode=max,registry.insecure=true", built());
    // Of the repository alone: another one of the same registry is not trusted.
    export_to("type=registry,ref=" + registry->host() + "/other:cache,mode=max", built());
    import({"type=registry,ref=" + host + "/other:cache"}, [&](Imports& imports) {
        EXPECT_FALSE(imports.find(last_.keys[0].key));
        EXPECT_TRUE(says(progress_.log, "failed to configure registry cache importer"));
    });
    import({ref + ",registry.insecure=true"},
           [&](Imports& imports) { EXPECT_TRUE(imports.find(last_.keys[0].key)); });
}

TEST_F(ImportCacheTest, a_blob_that_a_cache_has_lost_is_written_from_the_layer) {
    const std::string where = cache();
    import({where}, [&](Imports& imports) {
        EXPECT_TRUE(imports.find(tool_.keys[0].key));
        const auto blobs = fresh_.blobs(tool_.layer);
        directory_.run("rm cache/blobs/sha256/" + blobs->front().descriptor.digest.hex());
        fresh_.known = store_.known;
        const auto exported = export_cache(to("type=local,mode=max,dest=" + local("again")),
                                           built(), fresh_, *session_, progress_);
        ASSERT_TRUE(exported) << exported.error().message;
        EXPECT_EQ(exported->dropped, 0U) << progress_.log;
        EXPECT_EQ(fresh_.kept, 1);
    });
}

TEST_F(ImportCacheTest, of_several_caches_one_with_the_layer_wins) {
    export_to("type=local,mode=min,dest=" + local("min"), built());
    const std::string max = cache();
    import({"type=local,src=" + local("nothing"), "type=local,src=" + local("min"), max},
           [&](Imports& imports) {
               EXPECT_EQ(imports.find(tool_.keys[0].key)->cache, local("cache"));
               EXPECT_EQ(imports.find(last_.keys[0].key)->cache, local("min"));
           });
    EXPECT_TRUE(
        says(progress_.log, "failed to configure local cache importer: " + local("nothing")))
        << progress_.log;
}

TEST_F(ImportCacheTest, what_is_not_there_or_damaged_is_a_warning) {
    const std::string where = cache();
    directory_.run("for f in cache/blobs/sha256/*; do echo x > $f; done");
    import({where, "127.0.0.1:1/app:cache"},
           [&](Imports& imports) { EXPECT_FALSE(imports.find(tool_.keys[0].key)); });
    EXPECT_TRUE(says(progress_.log, "cache importer: " + local("cache"))) << progress_.log;
    EXPECT_TRUE(says(progress_.log,
                     "failed to configure registry cache importer: "
                     "127.0.0.1:1/app:cache"))
        << progress_.log;
}

TEST_F(ImportCacheTest, a_manifest_that_is_missing_is_named_and_made_again) {
    const std::string where = cache();
    const std::string digest =
        export_to("type=local,mode=max,dest=" + local("cache"), built()).root.digest.text();
    directory_.run("rm cache/blobs/sha256/" + digest.substr(7));
    import({where}, [&](Imports& imports) { EXPECT_FALSE(imports.find(tool_.keys[0].key)); });
    EXPECT_TRUE(says(progress_.log, digest.substr(7))) << progress_.log;
    cache();
    import({where}, [&](Imports& imports) { EXPECT_TRUE(imports.find(tool_.keys[0].key)); });
}

TEST_F(ImportCacheTest, says_that_keys_of_buildkit_are_not_ours) {
    const std::string digest = test::digest_of("x").text();
    import({hand_made(R"({"records":[{"digest":")" + digest + R"("}]})")},
           [&](Imports& imports) { EXPECT_FALSE(imports.find(test::digest_of("x"))); });
    EXPECT_TRUE(says(progress_.log,
                     "written by BuildKit: its keys are not ours; nothing of it "
                     "can be used"))
        << progress_.log;
}

TEST_F(ImportCacheTest, believes_no_record_that_does_not_say_what_its_step_made) {
    const std::string key = tool_.keys[0].key.text();
    const std::string id = R"({"id":")" + tool_.layer.text() + R"("})";
    for (const std::string& own : {std::string{"{}"}, id}) {
        const std::string record = R"({"digest":")" + key + R"(","lazybuild":)" + own + "}";
        import({hand_made(R"({"records":[)" + record + "]}")}, [&](Imports& imports) {
            EXPECT_EQ(imports.find(tool_.keys[0].key).has_value(), own == id) << own;
        });
    }
}

TEST_F(ImportCacheTest, says_that_records_name_blobs_that_are_not_there) {
    CacheConfig config;
    config.ours = true;
    config.layers.resize(1);
    config.layers[0].blob.digest = test::digest_of("blob");
    config.records.push_back({.key = tool_.keys[0].key,
                              .inputs = {},
                              .layer = 0,
                              .ours = true,
                              .id = tool_.layer,
                              .content = {}});
    import({hand_made(config.serialize())},
           [&](Imports& imports) { imports.find(tool_.keys[0].key); });
    EXPECT_TRUE(says(progress_.log, "1 of its records name blobs")) << progress_.log;
    EXPECT_TRUE(fresh_.blobs(tool_.layer)->empty());
}

TEST_F(ImportCacheTest, finds_the_cache_in_an_image) {
    LAZYBUILD_START_REGISTRY(registry);
    EXPECT_TRUE(exporter::remember_base(store_, base_.manifest, base_.config, base_.origin));
    exporter::BuiltImage image = exporter::test::make_image({});
    image.layer_ids = last_.layer_ids;
    image.settings.history.resize(image.layer_ids.size(), {.created_by = "x"});
    image.open = [this] {
        return layers::Snapshot{{store_.known[copy_.layer], store_.known[last_.layer]}};
    };
    solve::StepRecord unproven = copy_;
    unproven.keys.clear();
    const InlineCache made = inline_cache({tool_, copy_, last_, unproven}, image.layer_ids);
    EXPECT_EQ(made.summary(),
              "cache inline: 2 records exported, 1 metadata only (not in the image), 1 dropped");
    EXPECT_TRUE(says(made.dropped.sentences().at(0), copy_.text));
    image.inline_cache = made.text;
    const std::string ref = registry->host() + "/app:1";
    const auto first = exported("type=registry,name=" + ref, {image});
    EXPECT_EQ(exported("type=registry,name=" + ref, {image}).root.digest, first.root.digest);
    import({ref}, [&](Imports& imports) {
        const auto found = imports.find(last_.keys[0].key);
        ASSERT_TRUE(found) << progress_.log;
        EXPECT_EQ(found->record.layer, last_.layer);
        EXPECT_EQ(found->no_layer, "");
        EXPECT_TRUE(says(imports.find(tool_.keys[0].key)->no_layer, "is inline"));
        EXPECT_EQ(imports.without_texts(), std::vector{ref});
    });
    const auto blobs = fresh_.blobs(last_.layer);
    ASSERT_EQ(blobs->size(), 1U);
    EXPECT_EQ(blobs->front().compression, layers::Compression::estargz);
}

TEST_F(ImportCacheTest, an_image_without_a_cache_is_said_to_be_one) {
    import({"type=local,src=" + directory_ / "base" + ",tag=1"},
           [&](Imports& imports) { EXPECT_FALSE(imports.find(tool_.keys[0].key)); });
    EXPECT_TRUE(says(progress_.log, "an image without an inline cache")) << progress_.log;
}

TEST_F(ImportCacheTest, cache_mounts_are_found_by_their_keys) {
    BuiltCache with = built();
    const auto layer = test::LayerBuilder{}.file("f", "content").finish("mount");
    store_.known[layer->id()] = layer;
    with.mounts = {
        {.key = test::digest_of("go"), .name = "go", .layer_ids = {layer->id(), tool_.layer}}};
    export_to("type=local,mounts=true,dest=" + local("cache"), with);
    import({"type=local,src=" + local("cache")}, [&](Imports& imports) {
        EXPECT_EQ(imports.find_mount(test::digest_of("go")), with.mounts[0].layer_ids);
        EXPECT_TRUE(imports.find_mount(test::digest_of("npm")).empty());
        const auto blobs = fresh_.blobs(layer->id());
        ASSERT_EQ(blobs->size(), 1U);
        EXPECT_EQ(blobs->front().compression, layers::Compression::estargz);
    });
}

}  // namespace
}  // namespace lazybuild::cache
