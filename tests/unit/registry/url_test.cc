// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/url.h"

#include <gtest/gtest.h>

namespace lazybuild::registry {
namespace {

TEST(Url, has_an_origin_and_a_target) {
    const auto url = parse_url("https://Example.COM:8443/a/b?c=d#e");
    ASSERT_TRUE(url) << url.error().message;
    EXPECT_EQ(url->origin, (Origin{.tls = true, .host = "example.com", .port = 8443}));
    EXPECT_EQ(url->target, "/a/b?c=d");
    EXPECT_EQ(url->text(), "https://example.com:8443/a/b?c=d");
}

TEST(Url, knows_the_ports_of_the_schemes) {
    EXPECT_EQ(parse_url("https://a")->text(), "https://a/");
    EXPECT_EQ(parse_url("https://a:443/")->origin.authority(), "a");
    EXPECT_EQ(parse_url("http://a:80/")->origin.authority(), "a");
    EXPECT_EQ(parse_url("http://a:443/")->origin.authority(), "a:443");
    EXPECT_EQ(parse_url("https://a:/")->origin.port, 443);
}

TEST(Url, brackets_ipv6) {
    const auto url = parse_url("http://[::1]:5000/v2/");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->origin.host, "::1");
    EXPECT_EQ(url->origin.authority(), "[::1]:5000");
}

TEST(Url, refuses_what_is_not_plain_http_or_https) {
    for (const std::string_view text :
         {"", "a", "/a", "//a/b", "ftp://a/", "file:///etc/passwd", "https:///x", "https://",
          "https://u:p@a/", "https://a:0/", "https://a:65536/", "https://a:b/",
          "https://[fe80::1%25eth0]/"}) {
        EXPECT_FALSE(parse_url(text)) << text;
    }
    EXPECT_FALSE(parse_url("https://a/" + std::string(kUrlBytesMax, 'x')));
}

TEST(Url, encodes_what_a_location_must_not_hold) {
    const auto url = parse_url("https://a/x y|\"z\xc3\xbc\r\nHost: evil?q=<1>");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->target, "/x%20y%7C%22z%C3%BC%0D%0AHost:%20evil?q=%3C1%3E");
}

TEST(Url, resolves_locations) {
    const Url base = *parse_url("http://r:5000/v2/x/blobs/uploads/?a=b");
    EXPECT_EQ(resolve_url(base, "/v2/x/blobs/uploads/1?s=2")->text(),
              "http://r:5000/v2/x/blobs/uploads/1?s=2");
    EXPECT_EQ(resolve_url(base, "7?s=2")->text(), "http://r:5000/v2/x/blobs/uploads/7?s=2");
    EXPECT_EQ(resolve_url(base, "https://other/y")->text(), "https://other/y");
    EXPECT_EQ(resolve_url(base, "//other/y")->text(), "http://other/y");
    EXPECT_FALSE(resolve_url(base, "ftp://other/y"));
    EXPECT_FALSE(resolve_url(base, "http://u@other/y"));
}

TEST(Url, hides_its_query_in_messages) {
    const Url url = *parse_url("https://s3/b?X-Amz-Signature=secret");
    EXPECT_EQ(url.redacted(), "https://s3/b");
    const auto bad = parse_url("nonsense?token=secret");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().message.find("secret"), std::string::npos);
}

TEST(Url, adds_to_its_query) {
    const Url url = *parse_url("https://a/b");
    EXPECT_EQ(url.with_query("digest", "sha256:0").target, "/b?digest=sha256%3A0");
    EXPECT_EQ(url.with_query("x", "1").with_query("y", "a&b=c d").target, "/b?x=1&y=a%26b%3Dc%20d");
}

TEST(RegistryOrigin, is_where_a_host_listens) {
    EXPECT_EQ(registry_origin("docker.io", true)->text(), "https://registry-1.docker.io");
    EXPECT_EQ(registry_origin("quay.io", true)->text(), "https://quay.io");
    EXPECT_EQ(registry_origin("Localhost:5000", false)->text(), "http://localhost:5000");
    EXPECT_EQ(registry_origin("[::1]:5000", false)->text(), "http://[::1]:5000");
    EXPECT_EQ(registry_origin("[::1]", true)->port, 443);
    EXPECT_FALSE(registry_origin(":5000", true));
    EXPECT_FALSE(registry_origin("a:99999", true));
}

}  // namespace
}  // namespace lazybuild::registry
