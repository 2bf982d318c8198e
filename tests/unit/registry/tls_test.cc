// SPDX-License-Identifier: Apache-2.0
// TLS with the real docker-registry and a certificate authority of our own.
#include "snapshotter/registry/tls.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/docker_registry.h"
#include "tests/support/fake_server.h"
#include "tests/unit/registry/client_fixture.h"

namespace lazybuild::registry {
namespace {

class TlsTest : public ClientFixture {
  protected:
    // "ca/ca.crt", and "<name>.crt" with "<name>.key" signed by it for `names`.
    void make_certificates(const std::string& name, const std::string& names) {
        directory_.run(
            "mkdir -p ca && (test -e ca/ca.crt || openssl req -x509 -newkey rsa:2048 -nodes "
            "-keyout ca.key -out ca/ca.crt -days 2 -subj /CN=ca 2>/dev/null) && "
            "openssl req -newkey rsa:2048 -nodes -keyout " +
            name + ".key -out " + name +
            ".csr -subj /CN=x 2>/dev/null && printf 'subjectAltName=" + names +
            "' > ext && openssl x509 -req -in " + name + ".csr -CA ca/ca.crt -CAkey ca.key " +
            "-CAcreateserial -days 2 -extfile ext -out " + name + ".crt 2>/dev/null");
    }
    std::unique_ptr<test::DockerRegistry> start(const std::string& name) {
        return test::DockerRegistry::start({.tls_certificate = directory_ / (name + ".crt"),
                                            .tls_key = directory_ / (name + ".key")});
    }
    // TLS although it is a loopback host: certificates were named.
    ClientOptions trusting(const std::string& directory) {
        ClientOptions options = quick_options();
        options.certificate_directory = directory_ / directory;
        return options;
    }
    Result<std::optional<std::uint64_t>> ask(const std::string& host) {
        return run(client().blob_size({host, "app"}, codec::sha256({}), soon()));
    }

    const test::TempDir directory_;
};

TEST_F(TlsTest, carries_blobs_both_ways) {
    make_certificates("server", "IP:127.0.0.1,DNS:localhost");
    const auto registry = start("server");
    if (!registry) {
        GTEST_SKIP() << "docker-registry is not here: install its package";
    }
    use(trusting("ca"));
    const Repository repository{registry->host(), "app"};
    const Bytes content = random_bytes(3'000'000, 3);
    const codec::Digest digest = codec::sha256(content);
    const auto pushed = run(client().push_blob(repository, digest, MemoryAccess(content), soon()));
    ASSERT_TRUE(pushed) << message_of(pushed);
    auto stream = run(client().open_blob(repository, digest, 0, soon()));
    ASSERT_TRUE(stream) << message_of(stream);
    EXPECT_EQ(run(read_stream(**stream)).value(), content);
    // By name as well: the certificate has it.
    const auto size = ask("localhost:" + std::to_string(registry->port()));
    EXPECT_TRUE(size) << message_of(size);
}

TEST_F(TlsTest, trusts_no_unknown_authority) {
    make_certificates("server", "IP:127.0.0.1");
    const auto registry = start("server");
    if (!registry) {
        GTEST_SKIP() << "docker-registry is not here: install its package";
    }
    directory_.run("mkdir empty");
    use(trusting("empty"));
    const auto size = ask(registry->host());
    EXPECT_EQ(code_of(size), std::errc::protocol_error);
    EXPECT_NE(message_of(size).find("certificate is not trusted"), std::string::npos)
        << message_of(size);

    ClientOptions blind = trusting("empty");
    blind.tls_verify = false;
    use(blind);
    EXPECT_TRUE(ask(registry->host()));
}

TEST_F(TlsTest, checks_the_host_name) {
    make_certificates("other", "DNS:other.example,IP:127.0.0.2");
    const auto registry = start("other");
    if (!registry) {
        GTEST_SKIP() << "docker-registry is not here: install its package";
    }
    use(trusting("ca"));
    for (const std::string host : {"127.0.0.1", "localhost"}) {
        const auto size = ask(host + ":" + std::to_string(registry->port()));
        EXPECT_EQ(code_of(size), std::errc::protocol_error) << host;
        EXPECT_NE(message_of(size).find("mismatch"), std::string::npos) << message_of(size);
    }
}

TEST_F(TlsTest, is_not_spoken_to_a_plain_server) {
    test::FakeServer server([](const test::FakeRequest&) { return test::reply(200); });
    directory_.run("mkdir empty");
    ClientOptions options = trusting("empty");
    options.attempts_max = 1;
    options.idle_timeout = std::chrono::milliseconds(200);
    options.connect_timeout = std::chrono::milliseconds(500);
    use(options);
    EXPECT_FALSE(ask(server.host()));
    EXPECT_TRUE(server.requests().empty());
}

TEST(TlsContext, names_the_bad_file) {
    const test::TempDir directory;
    directory.write("bad.crt", "not a certificate");
    const auto context =
        TlsContext::create({.verify = true, .certificate_directories = {directory.path()}});
    ASSERT_FALSE(context);
    EXPECT_NE(context.error().message.find("bad.crt"), std::string::npos);
    EXPECT_TRUE(TlsContext::create({.verify = true, .certificate_directories = {"/absent"}}));
}

TEST(TlsContext, needs_the_key_of_a_client_certificate) {
    const test::TempDir directory;
    directory.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout client.key -out client.cert "
        "-days 2 -subj /CN=client 2>/dev/null");
    const TlsOptions options{.verify = true, .certificate_directories = {directory.path()}};
    const auto with_key = TlsContext::create(options);
    EXPECT_TRUE(with_key) << message_of(with_key);
    directory.run("rm client.key");
    const auto without_key = TlsContext::create(options);
    ASSERT_FALSE(without_key);
    EXPECT_NE(without_key.error().message.find("client.key"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::registry
