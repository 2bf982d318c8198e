// SPDX-License-Identifier: Apache-2.0
// The client against the real docker-registry.
#include "tests/support/docker_registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "snapshotter/io/when_all.h"
#include "tests/unit/registry/client_fixture.h"

namespace lazybuild::registry {
namespace {

constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";

// "open sesame" by bcrypt, as htpasswd writes it.
constexpr std::string_view kPasswordFile =
    "ali:$2y$04$PwwmoBiQ0jP3EbXMk2SpLOn.77YSsEBgCMgl4MK55YkbQ3LmFp5qa\n";

class DockerRegistryTest : public ClientFixture {
  protected:
    // A manifest over one pushed blob, so that the registry accepts it.
    std::string push_manifest_blob(const Repository& repository) {
        const Bytes config = random_bytes(100, 1);
        const codec::Digest digest = codec::sha256(config);
        const auto pushed =
            run(client().push_blob(repository, digest, MemoryAccess(config), soon()));
        EXPECT_TRUE(pushed) << message_of(pushed);
        return "{\"schemaVersion\":2,\"mediaType\":\"" + std::string(kManifestType) +
               "\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
               "\"digest\":\"" +
               digest.text() + "\",\"size\":100},\"layers\":[]}";
    }
};

Bytes to_bytes(std::string_view text) {
    const ByteView view = as_bytes(text);
    return {view.begin(), view.end()};
}

TEST_F(DockerRegistryTest, gives_back_what_was_pushed) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository repository{registry->host(), "team/app"};
    const Bytes content = random_bytes(5'000'000, 7);
    const codec::Digest digest = codec::sha256(content);

    EXPECT_EQ(run(client().blob_size(repository, digest, soon())).value(), std::nullopt);
    const MemoryAccess access(content);
    const auto pushed = run(client().push_blob(repository, digest, access, soon()));
    ASSERT_TRUE(pushed) << message_of(pushed);
    EXPECT_EQ(run(client().blob_size(repository, digest, soon())).value(), content.size());

    const auto range = run(client().get_range(repository, digest, 1'234'567, 2'000'001, soon()));
    ASSERT_TRUE(range) << message_of(range);
    EXPECT_TRUE(std::ranges::equal(*range, ByteView(content).subspan(1'234'567, 2'000'001)));

    for (const std::uint64_t offset : {0U, 1U, 4'999'999U}) {
        auto stream = run(client().open_blob(repository, digest, offset, soon()));
        ASSERT_TRUE(stream) << message_of(stream);
        EXPECT_EQ((*stream)->offset_bytes(), offset);
        EXPECT_EQ((*stream)->blob_size_bytes(), content.size());
        const auto rest = run(read_stream(**stream));
        ASSERT_TRUE(rest) << message_of(rest);
        EXPECT_TRUE(std::ranges::equal(*rest, ByteView(content).subspan(offset)));
        EXPECT_EQ((*stream)->offset_bytes(), content.size());
    }
}

TEST_F(DockerRegistryTest, stores_a_blob_once) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository repository{registry->host(), "app"};
    const Bytes content = random_bytes(1000, 7);
    const codec::Digest digest = codec::sha256(content);
    const MemoryAccess access(content);
    ASSERT_TRUE(run(client().push_blob(repository, digest, access, soon())));
    ASSERT_TRUE(run(client().push_blob(repository, digest, access, soon())));
    const std::string log = registry->log();
    const std::size_t first = log.find("PUT /v2/app/blobs/uploads/");
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(log.find("\"PUT ", first + 5), std::string::npos);
}

TEST_F(DockerRegistryTest, refuses_content_of_another_digest) {
    LAZYBUILD_START_REGISTRY(registry);
    const Bytes content = random_bytes(1000, 7);
    const codec::Digest other = codec::sha256(random_bytes(1000, 8));
    const auto pushed =
        run(client().push_blob({registry->host(), "app"}, other, MemoryAccess(content), soon()));
    ASSERT_FALSE(pushed);
    EXPECT_NE(message_of(pushed).find("DIGEST_INVALID"), std::string::npos) << message_of(pushed);
}

TEST_F(DockerRegistryTest, holds_an_empty_blob) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository repository{registry->host(), "app"};
    const codec::Digest digest = codec::sha256({});
    const auto pushed = run(client().push_blob(repository, digest, MemoryAccess({}), soon()));
    ASSERT_TRUE(pushed) << message_of(pushed);
    EXPECT_EQ(run(client().blob_size(repository, digest, soon())).value(), 0U);
    auto stream = run(client().open_blob(repository, digest, 0, soon()));
    ASSERT_TRUE(stream) << message_of(stream);
    EXPECT_TRUE(run(read_stream(**stream)).value().empty());
}

TEST_F(DockerRegistryTest, says_where_a_blob_ends) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository repository{registry->host(), "app"};
    const Bytes content = random_bytes(1000, 7);
    const codec::Digest digest = codec::sha256(content);
    ASSERT_TRUE(run(client().push_blob(repository, digest, MemoryAccess(content), soon())));
    const auto across = run(client().get_range(repository, digest, 900, 101, soon()));
    EXPECT_EQ(code_of(across), std::errc::invalid_argument) << message_of(across);
    const auto beyond = run(client().get_range(repository, digest, 1000, 1, soon()));
    EXPECT_EQ(code_of(beyond), std::errc::invalid_argument) << message_of(beyond);
    EXPECT_TRUE(run(client().get_range(repository, digest, 999, 1, soon())));
}

TEST_F(DockerRegistryTest, does_not_know_what_was_never_pushed) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository repository{registry->host(), "nothing"};
    const auto manifest = run(client().get_manifest(repository, "latest", soon()));
    EXPECT_EQ(code_of(manifest), std::errc::no_such_file_or_directory);
    EXPECT_NE(message_of(manifest).find("/v2/nothing/manifests/latest: 404"), std::string::npos)
        << message_of(manifest);
    EXPECT_NE(message_of(manifest).find("MANIFEST_UNKNOWN"), std::string::npos);
    EXPECT_EQ(run(client().manifest_digest(repository, "latest", soon())).value(), std::nullopt);
    const codec::Digest digest = codec::sha256({});
    const auto range = run(client().get_range(repository, digest, 0, 1, soon()));
    EXPECT_EQ(code_of(range), std::errc::no_such_file_or_directory);
}

TEST_F(DockerRegistryTest, keeps_manifests_byte_for_byte) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository repository{registry->host(), "app"};
    const std::string manifest = push_manifest_blob(repository) + "\n \n";
    const codec::Digest digest = codec::sha256(as_bytes(manifest));
    const auto put = run(client().put_manifest(repository, "v1", std::string(kManifestType),
                                               to_bytes(manifest), soon()));
    ASSERT_TRUE(put) << message_of(put);
    EXPECT_EQ(run(client().manifest_digest(repository, "v1", soon())).value(), digest);
    for (const std::string& reference : {std::string("v1"), digest.text()}) {
        const auto document = run(client().get_manifest(repository, reference, soon()));
        ASSERT_TRUE(document) << message_of(document);
        EXPECT_EQ(as_text(document->bytes), manifest);
        EXPECT_EQ(document->digest, digest);
        EXPECT_EQ(document->media_type, kManifestType);
    }
    const auto by_digest = run(client().put_manifest(
        repository, digest.text(), std::string(kManifestType), to_bytes(manifest), soon()));
    EXPECT_TRUE(by_digest) << message_of(by_digest);
    const auto wrong = run(client().put_manifest(
        repository, digest.text(), std::string(kManifestType), to_bytes("{}"), soon()));
    EXPECT_EQ(code_of(wrong), std::errc::bad_message);
}

TEST_F(DockerRegistryTest, explains_a_refused_manifest) {
    LAZYBUILD_START_REGISTRY(registry);
    const auto put =
        run(client().put_manifest({registry->host(), "app"}, "v1", std::string(kManifestType),
                                  to_bytes("no JSON at all"), soon()));
    EXPECT_EQ(code_of(put), std::errc::protocol_error);
    EXPECT_NE(message_of(put).find("MANIFEST_INVALID"), std::string::npos) << message_of(put);
}

TEST_F(DockerRegistryTest, mounts_from_another_repository) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository from{registry->host(), "base/from"};
    const Repository target{registry->host(), "target"};
    const Bytes content = random_bytes(1000, 7);
    const codec::Digest digest = codec::sha256(content);
    const auto absent = run(client().mount_blob(target, digest, from.name, soon()));
    ASSERT_TRUE(absent) << message_of(absent);
    EXPECT_FALSE(*absent);
    ASSERT_TRUE(run(client().push_blob(from, digest, MemoryAccess(content), soon())));
    const auto mounted = run(client().mount_blob(target, digest, from.name, soon()));
    ASSERT_TRUE(mounted) << message_of(mounted);
    EXPECT_TRUE(*mounted);
    EXPECT_EQ(run(client().blob_size(target, digest, soon())).value(), content.size());
}

TEST_F(DockerRegistryTest, copies_between_repositories_with_few_connections) {
    LAZYBUILD_START_REGISTRY(registry);
    ClientOptions options = quick_options();
    options.connections_per_host = 1;
    use(options);
    const Repository from{registry->host(), "from"};
    const Repository target{registry->host(), "target"};
    std::vector<codec::Digest> digests;
    std::vector<io::Task<Result<void>>> copies;
    for (unsigned seed = 0; seed < 4; ++seed) {
        const Bytes content = random_bytes(3'000'000, seed);
        digests.push_back(codec::sha256(content));
        const MemoryAccess access(content);
        const auto pushed = run(client().push_blob(from, digests.back(), access, soon()));
        ASSERT_TRUE(pushed) << message_of(pushed);
    }
    copies.reserve(digests.size());
    for (const codec::Digest& digest : digests) {
        copies.push_back(client().copy_blob(target, digest, 3'000'000, client(), from, soon()));
    }
    for (const auto& copied : run(io::when_all(*reactor_, std::move(copies)))) {
        EXPECT_TRUE(copied) << message_of(copied);
    }
    for (const codec::Digest& digest : digests) {
        EXPECT_EQ(run(client().blob_size(target, digest, soon())).value(), 3'000'000U);
    }
}

TEST_F(DockerRegistryTest, serves_many_requests_at_once) {
    LAZYBUILD_START_REGISTRY(registry);
    const Repository repository{registry->host(), "app"};
    const Bytes content = random_bytes(1'000'000, 7);
    const codec::Digest digest = codec::sha256(content);
    ASSERT_TRUE(run(client().push_blob(repository, digest, MemoryAccess(content), soon())));
    std::vector<io::Task<Result<Bytes>>> reads;
    reads.reserve(100);
    for (std::uint64_t i = 0; i < 100; ++i) {
        reads.push_back(client().get_range(repository, digest, i * 10'000, 10'000, soon()));
    }
    const auto parts = run(io::when_all(*reactor_, std::move(reads)));
    for (std::size_t i = 0; i < parts.size(); ++i) {
        ASSERT_TRUE(parts[i]) << message_of(parts[i]);
        EXPECT_TRUE(std::ranges::equal(*parts[i], ByteView(content).subspan(i * 10'000, 10'000)));
    }
}

class PasswordTest : public DockerRegistryTest {
  protected:
    std::unique_ptr<test::DockerRegistry> start() {
        directory_.write("htpasswd", kPasswordFile);
        return test::DockerRegistry::start({.auth = "  htpasswd:\n    realm: test\n    path: " +
                                                    (directory_ / "htpasswd") + "\n"});
    }
    const test::TempDir directory_;
};

TEST_F(PasswordTest, opens_the_registry) {
    const auto registry = start();
    if (!registry) {
        GTEST_SKIP() << "docker-registry is not here: install its package";
    }
    ClientOptions options = quick_options();
    options.credential = Credential{.user_name = "ali", .password = "open sesame"};
    use(options);
    const Repository repository{registry->host(), "app"};
    const std::string manifest = push_manifest_blob(repository);
    const auto put = run(client().put_manifest(repository, "v1", std::string(kManifestType),
                                               to_bytes(manifest), soon()));
    ASSERT_TRUE(put) << message_of(put);
    EXPECT_TRUE(run(client().get_manifest(repository, "v1", soon())));
}

TEST_F(PasswordTest, is_found_in_a_config_file_at_each_use) {
    const auto registry = start();
    if (!registry) {
        GTEST_SKIP() << "docker-registry is not here: install its package";
    }
    ClientOptions options = quick_options();
    options.credential.reset();
    options.auth_file = directory_ / "config.json";
    use(options);
    const Repository repository{registry->host(), "app"};
    directory_.write("config.json", "{}");
    const auto without = run(client().blob_size(repository, codec::sha256({}), soon()));
    EXPECT_EQ(code_of(without), std::errc::permission_denied) << message_of(without);
    EXPECT_NE(message_of(without).find("docker login " + registry->host()), std::string::npos);

    // "ali:open sesame"
    directory_.write("config.json", "{\"auths\":{\"" + registry->host() +
                                        "\":{\"auth\":\"YWxpOm9wZW4gc2VzYW1l\"}}}");
    const auto with = run(client().blob_size(repository, codec::sha256({}), soon()));
    EXPECT_TRUE(with) << message_of(with);
}

TEST_F(PasswordTest, that_is_wrong_is_refused_and_not_shown) {
    const auto registry = start();
    if (!registry) {
        GTEST_SKIP() << "docker-registry is not here: install its package";
    }
    ClientOptions options = quick_options();
    options.credential = Credential{.user_name = "ali", .password = "hunter2"};
    use(options);
    const auto size = run(client().blob_size({registry->host(), "app"}, codec::sha256({}), soon()));
    EXPECT_EQ(code_of(size), std::errc::permission_denied);
    EXPECT_EQ(message_of(size).find("hunter2"), std::string::npos);
    EXPECT_NE(message_of(size).find("docker login"), std::string::npos);
}

TEST_F(PasswordTest, missing_tells_of_the_broken_config_file) {
    const auto registry = start();
    if (!registry) {
        GTEST_SKIP() << "docker-registry is not here: install its package";
    }
    ClientOptions options = quick_options();
    options.credential.reset();
    options.auth_file = directory_ / "absent.json";
    use(options);
    const auto size = run(client().blob_size({registry->host(), "app"}, codec::sha256({}), soon()));
    EXPECT_EQ(code_of(size), std::errc::permission_denied);
    EXPECT_NE(message_of(size).find("absent.json"), std::string::npos) << message_of(size);
}

}  // namespace
}  // namespace lazybuild::registry
