// SPDX-License-Identifier: Apache-2.0
// Against the real docker-registry: what it was asked for is in its log.
#include "builder/export/registry_push.h"

#include <gtest/gtest.h>

#include "builder/export/image_store.h"
#include "tests/support/docker_registry.h"
#include "tests/unit/export/test_store.h"

namespace lazybuild::exporter {
namespace {

using test::make_image;

class RegistryPushTest : public test::ExportFixture {
  protected:
    /// An image on a base of one layer, which `host` has as "library/base" and the store has not.
    BuiltImage on_base(const std::string& host) {
        const cli::TestLayout layout{directory_, "base"};
        base_ = layout.add_layer("head -c 200000 /dev/urandom > b");
        const cli::TestBlob manifest = layout.add_image({base_});
        layout.write_index({{manifest.entry(), "1"}});
        directory_.run("skopeo copy -q --dest-tls-verify=false oci:base:1 docker://" + host +
                       "/library/base:1");
        const auto bottom = test::LayerBuilder{}.file("b", "claimed").finish("base");
        codec::Descriptor descriptor;
        descriptor.media_type = base_.media_type;
        descriptor.digest = base_.blob.digest;
        descriptor.size_bytes = base_.blob.size_bytes;
        EXPECT_TRUE(store_.add_blob(
            bottom->id(), {.descriptor = descriptor, .diff_id = base_.diff_id, .from_base = true}));
        EXPECT_TRUE(store_.add_origin(
            base_.blob.digest,
            {.kind = store::Origin::Kind::registry, .host = host, .path = "library/base"}));
        return make_image({bottom, test::LayerBuilder{}.file("new", "n").finish("new")});
    }
    bool was_fetched(const lazybuild::test::DockerRegistry& registry) const {
        return registry.log().find(fmt::format("GET /v2/library/base/blobs/{}",
                                               base_.blob.digest.text())) != std::string::npos;
    }

    cli::TestLayer base_;
};

TEST_F(RegistryPushTest, fetches_nothing_of_a_base_that_the_registry_has) {
    LAZYBUILD_START_REGISTRY(registry);
    const BuiltImage image = on_base(registry->host());
    const Exported made =
        exported("type=registry,\"name=" + registry->host() + "/app:1," + registry->host() +
                     "/app:latest," + registry->host() + "/other:1\"",
                 {image});
    EXPECT_FALSE(was_fetched(*registry)) << registry->log();
    for (const char* const name : {"/app:1", "/app:latest", "/other:1"}) {
        directory_.run("skopeo copy -q --src-tls-verify=false docker://" + registry->host() + name +
                       " dir:got && test $(sha256sum < got/manifest.json | cut -c1-64) = " +
                       made.root.digest.hex());
    }
}

TEST_F(RegistryPushTest, streams_a_base_from_another_registry) {
    LAZYBUILD_START_REGISTRY(origin);
    LAZYBUILD_START_REGISTRY(registry);
    const BuiltImage image = on_base(origin->host());
    exported("type=image,push=true,name=" + registry->host() + "/app:1", {image});
    EXPECT_TRUE(was_fetched(*origin));
    EXPECT_FALSE(store_.blob_path(base_.blob.digest));
    directory_.run("skopeo copy -q --src-tls-verify=false docker://" + registry->host() +
                   "/app:1 dir:got");
    // Now that registry is a place where the base is, too.
    EXPECT_EQ(store_.origins(base_.blob.digest)->back().host, registry->host());
}

TEST_F(RegistryPushTest, pushes_over_plain_http_where_it_is_told_to) {
    LAZYBUILD_START_REGISTRY(registry);
    // No loopback name, but the same server.
    const std::string host = "0.0.0.0" + registry->host().substr(registry->host().rfind(':'));
    exported("type=registry,registry.insecure=true,store=false,name=" + host + "/app:1",
             {on_base(registry->host())});
    directory_.run("skopeo copy -q --src-tls-verify=false docker://" + registry->host() +
                   "/app:1 dir:got");
}

TEST_F(RegistryPushTest, names_what_has_no_name_by_a_prefix) {
    const Exported made = exported("type=image,dangling-name-prefix=<none>",
                                   {make_image({test::LayerBuilder{}.file("a", "a").finish("a")})});
    EXPECT_EQ(made.names, (std::vector<std::string>{"<none>@" + made.root.digest.text()}));
    EXPECT_TRUE(ImageStore::open(store_.root())->find(made.names[0])->has_value());
}

TEST_F(RegistryPushTest, names_an_image_by_its_digest_alone) {
    LAZYBUILD_START_REGISTRY(registry);
    const Exported made =
        exported("type=image,push-by-digest=true,name=" + registry->host() + "/app",
                 {on_base(registry->host())});
    EXPECT_EQ(made.names,
              std::vector<std::string>{registry->host() + "/app@" + made.root.digest.text()});
    directory_.run("skopeo copy -q --src-tls-verify=false docker://" + made.names[0] + " dir:got");
    directory_.run("! skopeo inspect --tls-verify=false docker://" + registry->host() +
                   "/app:latest > /dev/null 2>&1");
}

TEST_F(RegistryPushTest, pushes_all_platforms_and_their_index) {
    LAZYBUILD_START_REGISTRY(registry);
    BuiltImage arm = on_base(registry->host());
    BuiltImage other = arm;
    other.platform = *codec::Platform::parse("linux/arm64");
    exported("type=registry,name=" + registry->host() + "/app:1", {arm, other});
    directory_.run("skopeo copy -q --all --src-tls-verify=false docker://" + registry->host() +
                   "/app:1 dir:got");
}

TEST_F(RegistryPushTest, keeps_the_image_under_its_name_in_the_store) {
    const BuiltImage image = make_image({test::LayerBuilder{}.file("new", "n").finish("new")});
    const Exported made = exported("type=image,name=app:1", {image});
    auto names = ImageStore::open(store_.root());
    ASSERT_TRUE(names);
    const auto kept = names->find("docker.io/library/app:1");
    ASSERT_TRUE(kept && *kept);
    EXPECT_EQ((*kept)->root.digest, made.root.digest);
    EXPECT_TRUE(store_.blob_path(made.root.digest));
    EXPECT_TRUE(store_.blob_path(made.config.digest));
}

TEST_F(RegistryPushTest, without_a_name_is_refused) {
    EXPECT_NE(error_of("type=image,push=true", {make_image({})}).find("tag is needed"),
              std::string::npos);
}

}  // namespace
}  // namespace lazybuild::exporter
