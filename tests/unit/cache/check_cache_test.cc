// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/check_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "builder/cache/container.h"
#include "builder/cache/inline_cache.h"
#include "builder/cli/cmd_copy.h"
#include "builder/export/base_blobs.h"
#include "builder/image/oci_layout.h"
#include "tests/support/docker_registry.h"
#include "tests/support/says.h"
#include "tests/unit/cache/cache_fixture.h"

namespace lazybuild::cache {
namespace {

using layers::CheckDepth;
using test::CacheFixture;

class CheckCacheTest : public CacheFixture {
  protected:
    Result<CheckReport> try_check(const std::string& text, CheckDepth depth) {
        const CacheFrom where = from(text);
        return session_->run_blocking([&] { return check_cache(where, depth, *session_); });
    }
    CheckReport check(const std::string& text, CheckDepth depth = CheckDepth::index) {
        auto report = try_check(text, depth);
        EXPECT_TRUE(report) << report.error().message;
        return report.value_or(CheckReport{});
    }
    CheckReport check_local(CheckDepth depth = CheckDepth::index) {
        return check("type=local,src=" + local("cache"), depth);
    }
    void write(const std::string& more = "mode=max") {
        export_to("type=local," + more + ",dest=" + local("cache"), built());
    }
    std::string file_of(const codec::Digest& blob) const {
        return local("cache") + "/blobs/sha256/" + blob.hex();
    }
    CacheConfig config() const {
        const auto manifest = cli::manifest_in(local("cache"), "latest");
        return *CacheConfig::parse(
            as_bytes(cli::TestLayout::read(file_of(manifest->config.digest))));
    }
    /// Of the layer that a step made.
    codec::Descriptor blob_of(const solve::StepRecord& step) const {
        const CacheConfig read = config();
        for (const CacheRecord& record : read.records) {
            if (record.id == step.layer && record.layer) {
                return read.layers[*record.layer].blob;
            }
        }
        ADD_FAILURE() << step.text;
        return {};
    }
    /// The cache with another index, and all blobs that it had.
    void replace(const CacheConfig& config) {
        const auto layout = *image::OciLayout::open(local("cache"));
        const auto manifest = *cli::manifest_in(local("cache"), "latest");
        const std::string text = config.serialize();
        const codec::Descriptor index = image::describe(kConfigType, as_bytes(text));
        const auto container = *make_container(index, manifest.layers, {});
        EXPECT_TRUE(layout.put_bytes(index, as_bytes(text)));
        EXPECT_TRUE(layout.put_bytes(container.descriptor, container.bytes));
        EXPECT_TRUE(layout.set_image("latest", container.descriptor));
    }
    static std::vector<std::string> names(const CheckFinding& finding) {
        std::vector<std::string> sorted;
        for (const CheckFinding::Need& need : finding.needed_by) {
            sorted.push_back(need.what);
        }
        std::ranges::sort(sorted);
        return sorted;
    }
};

TEST_F(CheckCacheTest, a_whole_cache_holds) {
    for (const char* const how : {"mode=max", "mode=max,compression=zstd", "mode=max,mounts=true",
                                  "mode=max,image-manifest=false,compression=uncompressed"}) {
        write(how);
        for (const CheckDepth depth : {CheckDepth::index, CheckDepth::every_byte}) {
            const CheckReport report = check_local(depth);
            EXPECT_TRUE(report.findings.empty()) << how << ": " << report.findings.front().why;
            EXPECT_EQ(report.records, 4U);  // one of the steps has two keys
            EXPECT_EQ(report.here, 4U);
            EXPECT_EQ(report.elsewhere + report.without + report.lost, 0U);
        }
        directory_.run("rm -r cache");
    }
}

TEST_F(CheckCacheTest, looking_at_a_registry_fetches_no_layer) {
    LAZYBUILD_START_REGISTRY(registry);
    const std::string ref = registry->host() + "/app:cache";
    export_to("type=registry,mode=max,ref=" + ref, built());
    const std::size_t before = registry->log().size();
    EXPECT_EQ(check(ref).here, 4U);
    const std::string log = registry->log().substr(before);
    EXPECT_TRUE(says(log, "\"HEAD /v2/app/blobs/" + base_layer_.blob.digest.text())) << log;
    EXPECT_FALSE(says(log, "\"GET /v2/app/blobs/" + base_layer_.blob.digest.text())) << log;
    EXPECT_FALSE(says(log, "\"PUT ")) << log;
    EXPECT_TRUE(check(ref, CheckDepth::every_byte).findings.empty());
}

TEST_F(CheckCacheTest, what_the_mode_leaves_out_is_not_missed) {
    write("mode=min");
    const CheckReport report = check_local();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.here, 3U);
    EXPECT_EQ(report.without, 1U);
}

TEST_F(CheckCacheTest, a_layer_that_was_lost_before_the_export_is) {
    lose(tool_);
    write();
    const CheckReport report = check_local();
    EXPECT_EQ(report.lost, 1U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_FALSE(report.findings[0].blob);
    EXPECT_EQ(names(report.findings[0]), std::vector<std::string>{"RUN make tool"});
    EXPECT_EQ(report.findings[0].needed_by[0].layer, tool_.layer);
}

TEST_F(CheckCacheTest, a_missing_blob_is_named_with_the_steps_on_it) {
    write();
    std::filesystem::remove(file_of(blob_of(copy_).digest));
    CheckReport report = check_local();
    EXPECT_EQ(report.lost, 3U);
    EXPECT_EQ(report.here, 1U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].blob->digest, blob_of(copy_).digest);
    EXPECT_TRUE(says(report.findings[0].why, local("cache") + ": it is not there"));
    EXPECT_EQ(names(report.findings[0]),
              (std::vector<std::string>{"COPY --from=build /tool /tool", "RUN tool"}));

    std::filesystem::remove(file_of(base_layer_.blob.digest));
    EXPECT_EQ(check_local().elsewhere, 1U);  // the base has it
    directory_.run("rm base/blobs/sha256/" + base_layer_.blob.digest.hex());
    report = check_local();
    EXPECT_EQ(report.lost, 4U);
    EXPECT_EQ(report.findings.size(), 2U);
}

TEST_F(CheckCacheTest, sizes_are_compared_and_bytes_when_all_are_read) {
    write();
    const std::string path = file_of(blob_of(last_).digest);
    directory_.run("printf x | dd of=" + path + " bs=1 seek=60 conv=notrunc status=none");
    EXPECT_TRUE(check_local().findings.empty());
    CheckReport report = check_local(CheckDepth::every_byte);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_TRUE(says(report.findings[0].why, "gzip: ")) << report.findings[0].why;
    EXPECT_EQ(report.lost, 1U);

    directory_.run("printf x >> " + path);
    report = check_local();
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_TRUE(says(report.findings[0].why, "bytes there, not")) << report.findings[0].why;
}

TEST_F(CheckCacheTest, a_blob_has_to_hold_the_layer_that_its_record_names) {
    write();
    CacheConfig lies = config();
    for (CacheRecord& record : lies.records) {
        record.id = record.id == last_.layer ? tool_.layer : record.id;
    }
    replace(lies);
    EXPECT_TRUE(check_local().findings.empty());
    const CheckReport report = check_local(CheckDepth::every_byte);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].why,
              fmt::format("it holds the layer {}, not {}", last_.layer.text(), tool_.layer.text()));
}

TEST_F(CheckCacheTest, an_index_for_lazy_readers_has_to_say_the_same) {
    write();
    CacheConfig lies = config();
    for (CacheLayer& layer : lies.layers) {
        const std::string toc = "containerd.io/snapshot/stargz/toc.digest";
        if (layer.blob.annotations.contains(toc)) {
            layer.blob.annotations[toc] = test::digest_of("another").text();
        }
    }
    replace(lies);
    EXPECT_EQ(check_local(CheckDepth::every_byte).lost, 4U);
}

TEST_F(CheckCacheTest, documents_and_explanations_belong_to_it) {
    write();
    std::filesystem::remove(file_of(config().explain->digest));
    std::filesystem::remove(file_of(base_.manifest.manifest->config.digest));
    const CheckReport report = check_local();
    EXPECT_EQ(report.lost, 0U);
    ASSERT_EQ(report.findings.size(), 2U);
    for (const CheckFinding& finding : report.findings) {
        EXPECT_TRUE(finding.needed_by[0].what == "what explains misses" ||
                    finding.needed_by[0].what == "the documents of " + base_.name);
    }
    std::filesystem::remove(file_of(blob_of(last_).digest));
    const CheckReport without_names = check_local();
    ASSERT_EQ(without_names.lost, 1U);
    EXPECT_TRUE(says(names(without_names.findings[0])[0], "the step with the key sha256:"));
}

TEST_F(CheckCacheTest, cache_mounts_belong_to_it) {
    BuiltCache with = built();
    const auto layer = test::LayerBuilder{}.file("f", "of a mount").finish();
    store_.known[layer->id()] = layer;
    with.mounts = {
        {.key = test::digest_of("go"), .name = "go", .layer_ids = {tool_.layer, layer->id()}}};
    export_to("type=local,mode=max,mounts=true,dest=" + local("cache"), with);
    EXPECT_TRUE(check_local(CheckDepth::every_byte).findings.empty());
    const CacheConfig read = config();
    std::filesystem::remove(file_of(read.layers[read.mounts[0].layer].blob.digest));
    const CheckReport report = check_local();
    EXPECT_EQ(report.lost, 0U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_TRUE(says(report.findings[0].needed_by[0].what, "the cache mount sha256:"));
}

TEST_F(CheckCacheTest, layers_of_bases_are_asked_for_where_the_bases_are) {
    auto bases = lazybuild::test::DockerRegistry::start();
    LAZYBUILD_START_REGISTRY(registry);
    const std::string name = bases->host() + "/base:1";
    ASSERT_EQ(run(cli::CopyArgs{.source = base_.name, .target = name}, console_),
              cli::ExitCode::done);
    base_.name = name;
    base_.origin = {.kind = store::Origin::Kind::registry, .host = bases->host(), .path = "base"};
    const std::string ref = registry->host() + "/app:cache";
    EXPECT_EQ(export_to("type=registry,mode=max,ref=" + ref, built()).elsewhere.at(bases->host()),
              1U);
    for (const CheckDepth depth : {CheckDepth::index, CheckDepth::every_byte}) {
        const CheckReport report = check(ref, depth);
        EXPECT_EQ(report.elsewhere, 4U);
        EXPECT_TRUE(report.findings.empty());
    }
    const std::string gone = bases->host();
    bases.reset();
    const CheckReport report = check(ref);
    EXPECT_EQ(report.lost, 4U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_TRUE(says(report.findings[0].why, gone + "/base: ")) << report.findings[0].why;
    EXPECT_TRUE(says(report.findings[0].why, registry->host() + "/app: it is not there"));
}

TEST_F(CheckCacheTest, a_cache_in_an_image_is_checked_too) {
    LAZYBUILD_START_REGISTRY(registry);
    EXPECT_TRUE(exporter::remember_base(store_, base_.manifest, base_.config, base_.origin));
    exporter::BuiltImage image = exporter::test::make_image({});
    image.layer_ids = last_.layer_ids;
    image.settings.history.resize(image.layer_ids.size(), {.created_by = "x"});
    image.open = [this] {
        return layers::Snapshot{{store_.known[copy_.layer], store_.known[last_.layer]}};
    };
    image.inline_cache = inline_cache({tool_, copy_, last_}, image.layer_ids).text;
    const std::string ref = registry->host() + "/app:1";
    exported("type=registry,name=" + ref, {image});
    const CheckReport report = check(ref, CheckDepth::every_byte);
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.here, 3U);
    EXPECT_EQ(report.without, 1U);
}

TEST_F(CheckCacheTest, what_is_no_cache_is_an_error_that_names_it) {
    const auto none = try_check("type=local,src=" + local("nothing"), CheckDepth::index);
    ASSERT_FALSE(none);
    EXPECT_TRUE(says(none.error().message, "cache " + local("nothing")));
    const auto image =
        try_check("type=local,src=" + (directory_ / "base") + ",tag=1", CheckDepth::index);
    ASSERT_FALSE(image);
    EXPECT_TRUE(says(image.error().message, "an image without an inline cache"));
    write();
    const auto manifest = cli::manifest_in(local("cache"), "latest");
    directory_.run("echo >> " + file_of(manifest->config.digest));
    EXPECT_FALSE(try_check("type=local,src=" + local("cache"), CheckDepth::index));
}

TEST_F(CheckCacheTest, a_blob_of_which_no_size_is_known_cannot_be_had) {
    write();
    CacheConfig made = config();
    CacheLayer layer;
    layer.blob.digest = test::digest_of("nobody's");
    made.layers.push_back(layer);
    for (CacheRecord& record : made.records) {
        record.layer = record.id == last_.layer ? made.layers.size() - 1 : record.layer;
    }
    replace(made);
    const CheckReport report = check_local();
    EXPECT_EQ(report.lost, 1U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].blob->digest, test::digest_of("nobody's"));
}

TEST_F(CheckCacheTest, says_that_keys_of_buildkit_are_not_ours) {
    write();
    CacheConfig theirs;
    theirs.records.push_back({.key = test::digest_of("x"), .inputs = {}});
    replace(theirs);
    const CheckReport report = check_local();
    ASSERT_EQ(report.warnings.size(), 1U);
    EXPECT_TRUE(says(report.warnings[0], "written by BuildKit"));
    EXPECT_EQ(report.without, 1U);
}

}  // namespace
}  // namespace lazybuild::cache
