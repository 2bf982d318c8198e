// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_manifest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "codec/sha256.h"

namespace lazybuild::codec {
namespace {

std::string digest_of(std::string_view text) {
    return sha256(as_bytes(text)).text();
}

std::string descriptor(std::string_view type, std::string_view content) {
    return fmt::format(R"({{"mediaType":"{}","size":{},"digest":"{}"}})", type, content.size(),
                       digest_of(content));
}

std::string docker_manifest() {
    return fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{},{}]}})",
                       media_type::kDockerManifest, descriptor(media_type::kDockerConfig, "config"),
                       descriptor(media_type::kDockerLayerGzip, "one"),
                       descriptor(media_type::kDockerLayerGzip, "two"));
}

std::string index_of(std::string_view entries) {
    return fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}})",
                       media_type::kOciIndex, entries);
}

std::string for_platform(std::string_view content, std::string_view os,
                         std::string_view architecture) {
    std::string text = descriptor(media_type::kOciManifest, content);
    text.pop_back();
    return text +
           fmt::format(R"(,"platform":{{"architecture":"{}","os":"{}"}}}})", architecture, os);
}

void expect_refused(const std::string& text, std::string_view served, std::errc code,
                    std::string_view words) {
    const auto type = detect_document(as_bytes(text), served);
    ASSERT_FALSE(type) << text;
    EXPECT_EQ(type.error().code, code) << type.error().message;
    EXPECT_NE(type.error().message.find(words), std::string::npos) << type.error().message;
}

TEST(Manifest, is_written_as_it_was_read) {
    const std::string text = docker_manifest();
    const auto manifest = Manifest::parse(as_bytes(text), media_type::kDockerManifest);
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(manifest->layers.size(), 2U);
    EXPECT_EQ(manifest->config.digest.text(), digest_of("config"));
    EXPECT_EQ(manifest->serialize(), text);
}

TEST(Manifest, keeps_unknown_members_when_it_is_edited) {
    const std::string text = fmt::format(
        R"({{"x":[{{"y":1}}],"config":{},"schemaVersion":2,"annotations":{{"b":"1","a":"2"}},)"
        R"("layers":[{}],"subject":{}}})",
        descriptor(media_type::kOciConfig, "config"), descriptor(media_type::kOciLayer, "one"),
        descriptor(media_type::kOciManifest, "subject"));
    auto manifest = Manifest::parse(as_bytes(text), "");
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(manifest->media_type, media_type::kOciManifest);
    EXPECT_EQ(manifest->serialize(), text);
    manifest->layers.clear();
    manifest->annotations["0"] = "3";
    EXPECT_EQ(manifest->serialize(),
              fmt::format(R"({{"x":[{{"y":1}}],"config":{},"schemaVersion":2,)"
                          R"("annotations":{{"b":"1","a":"2","0":"3"}},"layers":[],"subject":{}}})",
                          descriptor(media_type::kOciConfig, "config"),
                          descriptor(media_type::kOciManifest, "subject")));
}

TEST(Manifest, of_docker_becomes_one_of_oci) {
    const std::string text = docker_manifest();
    auto manifest = Manifest::parse(as_bytes(text), "");
    ASSERT_TRUE(manifest);
    manifest->use_oci_types();
    const std::string written = manifest->serialize();
    EXPECT_EQ(written.find("docker"), std::string::npos) << written;
    const auto again = Manifest::parse(as_bytes(written), media_type::kOciManifest);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->layers[0].media_type, media_type::kOciLayerGzip);
    EXPECT_EQ(again->layers[0].digest.text(), digest_of("one"));
}

TEST(Manifest, that_nobody_read_is_complete_json) {
    Manifest manifest;
    manifest.media_type = std::string{media_type::kOciManifest};
    manifest.config.media_type = std::string{media_type::kOciConfig};
    const std::string written = manifest.serialize();
    const auto read = Manifest::parse(as_bytes(written), media_type::kOciManifest);
    EXPECT_TRUE(read) << read.error().message;
}

TEST(Document, that_is_manifest_and_index_at_once_is_refused) {
    std::string text = docker_manifest();
    text.pop_back();
    text += R"(,"manifests":[]})";
    expect_refused(text, "", std::errc::bad_message, "manifest and of an index");
    expect_refused(text, media_type::kDockerManifest, std::errc::bad_message,
                   "manifest and of an index");
    EXPECT_FALSE(Manifest::parse(as_bytes(text), ""));
    EXPECT_FALSE(Index::parse(as_bytes(text), ""));
}

TEST(Document, that_is_served_as_something_else_is_refused) {
    expect_refused(docker_manifest(), media_type::kOciManifest, std::errc::bad_message,
                   "was served as");
    expect_refused(index_of(""), media_type::kOciManifest, std::errc::bad_message, "was served as");
    const std::string untyped = R"({"schemaVersion":2,"manifests":[]})";
    expect_refused(untyped, media_type::kOciManifest, std::errc::bad_message,
                   "members are not those of");
    const std::string lying = fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{}","manifests":[]}})", media_type::kOciManifest);
    expect_refused(lying, "", std::errc::bad_message, "members are not those of");
}

TEST(Document, served_without_a_meaningful_type_is_what_it_says) {
    for (const char* served : {"", "text/plain; charset=utf-8", "application/octet-stream"}) {
        const auto type = detect_document(as_bytes(docker_manifest()), served);
        ASSERT_TRUE(type) << type.error().message;
        EXPECT_EQ(type->media_type, media_type::kDockerManifest);
    }
    const auto type = detect_document(as_bytes(docker_manifest()),
                                      std::string{media_type::kDockerManifest} + "; charset=utf-8");
    EXPECT_TRUE(type) << type.error().message;
}

TEST(Document, of_docker_schema_1_is_refused_by_name) {
    const std::string text = R"({"schemaVersion":1,"name":"a/b","fsLayers":[{"blobSum":"x"}]})";
    expect_refused(text, "", std::errc::not_supported, "schema 1");
    expect_refused(text, "application/vnd.docker.distribution.manifest.v1+prettyjws",
                   std::errc::not_supported, "schema 1");
}

TEST(Document, of_another_sort_is_refused) {
    expect_refused("{}", "", std::errc::bad_message, "neither a manifest nor an index");
    expect_refused("[]", "", std::errc::bad_message, "neither a manifest nor an index");
    expect_refused("<html>", "text/html", std::errc::bad_message, "not JSON");
    const std::string odd = R"({"schemaVersion":3,"manifests":[]})";
    EXPECT_EQ(Index::parse(as_bytes(odd), "").error().message, "index.schemaVersion: 3, not 2");
}

TEST(Manifest, names_the_layer_that_is_wrong) {
    const std::string text =
        fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[{},{{"mediaType":"t"}}]}})",
                    descriptor(media_type::kOciConfig, "c"), descriptor("t", "l"));
    EXPECT_EQ(Manifest::parse(as_bytes(text), "").error().message,
              "manifest.layers[1].digest: missing");
    EXPECT_EQ(Manifest::parse(as_bytes(R"({"schemaVersion":2,"config":1,"layers":[]})"), "")
                  .error()
                  .message,
              "manifest.config: not an object");
}

TEST(Index, is_written_as_it_was_read) {
    const std::string text = index_of(for_platform("a", "linux", "amd64") + "," +
                                      descriptor(media_type::kOciManifest, "b"));
    const auto index = Index::parse(as_bytes(text), media_type::kOciIndex);
    ASSERT_TRUE(index) << index.error().message;
    EXPECT_EQ(index->serialize(), text);
}

TEST(Index, gives_the_manifest_of_a_platform) {
    const std::string text = index_of(for_platform("attestation", "unknown", "unknown") + "," +
                                      for_platform("arm", "linux", "arm64") + "," +
                                      for_platform("amd", "linux", "amd64"));
    const auto index = Index::parse(as_bytes(text), "");
    ASSERT_TRUE(index);
    EXPECT_TRUE(is_attestation(index->manifests[0]));
    EXPECT_FALSE(is_attestation(index->manifests[1]));
    const Descriptor* found = select_manifest(*index, Platform::parse("linux/arm64/v8").value());
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->digest.text(), digest_of("arm"));
    EXPECT_EQ(select_manifest(*index, Platform::parse("linux/s390x").value()), nullptr);
}

TEST(Index, without_platforms_serves_only_when_it_has_one_manifest) {
    const std::string one = descriptor(media_type::kOciManifest, "a");
    const auto single = Index::parse(as_bytes(index_of(one)), "");
    const auto pair = Index::parse(as_bytes(index_of(one + "," + one)), "");
    ASSERT_TRUE(single && pair);
    EXPECT_NE(select_manifest(*single, host_platform()), nullptr);
    EXPECT_EQ(select_manifest(*pair, host_platform()), nullptr);
}

}  // namespace
}  // namespace lazybuild::codec
