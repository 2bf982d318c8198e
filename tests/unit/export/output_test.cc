// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "builder/export/annotations.h"
#include "builder/export/exporter.h"

namespace lazybuild::exporter {
namespace {

Output parse(const std::string& text) {
    auto output = Output::parse(text);
    EXPECT_TRUE(output) << output.error().message;
    return output.value_or(Output{});
}

std::string error_of(const std::string& text) {
    const auto output = Output::parse(text);
    EXPECT_FALSE(output) << text;
    return output ? "" : output.error().message;
}

bool contains(const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
}

TEST(Output, takes_a_bare_path_for_a_directory_and_a_dash_for_a_tar) {
    EXPECT_EQ(parse("out/dir").type, Output::Type::local);
    EXPECT_EQ(parse("out/dir").destination, "out/dir");
    EXPECT_EQ(parse("-").type, Output::Type::tar);
    EXPECT_EQ(parse("-").destination, "-");
    EXPECT_EQ(parse("type=oci").destination, "-");
}

TEST(Output, reads_every_key) {
    const Output output = parse(
        "type=image,\"name=app:1,host.example:5000/b/app\",push=true,compression=gzip,"
        "compression-level=9,force-compression=true,rewrite-timestamp=true,"
        "name-canonical=true,store=false,source-date-epoch=12,annotation.a.b=c=d");
    EXPECT_EQ(output.names, (std::vector<std::string>{"docker.io/library/app:1",
                                                      "host.example:5000/b/app:latest"}));
    EXPECT_TRUE(output.push && output.force_compression && output.rewrite_timestamps &&
                output.name_canonical && !output.store);
    EXPECT_EQ(output.compression, layers::Compression::gzip);
    EXPECT_EQ(output.level(), 9);
    EXPECT_EQ(output.source_date_epoch_s, 12);
    EXPECT_EQ(output.annotations.at(".a.b"), "c=d");
    EXPECT_TRUE(parse("type=registry,name=a").push);
    EXPECT_FALSE(parse("type=oci,tar=false,dest=d").tar_file);
}

TEST(Output, takes_keys_of_buildx_that_change_nothing_here) {
    const Output output = parse(
        "type=image,name=a,unpack=true,oci-artifact=false,prefer-nondist-layers=true,"
        "dangling-name-prefix=none,registry.insecure=true");
    EXPECT_TRUE(output.insecure);
    EXPECT_EQ(output.dangling_name_prefix, "none");
    EXPECT_FALSE(parse("type=local,dest=d,mode=copy").delete_others);
    EXPECT_TRUE(parse("type=local,dest=d,mode=delete").delete_others);
    EXPECT_TRUE(contains(error_of("type=image,prefer-nondist-layers=false"), "stay so"));
    EXPECT_TRUE(contains(error_of("type=local,dest=d,mode=move"), "delete"));
    EXPECT_TRUE(contains(error_of("type=oci,mode=delete"), "type=local"));
    EXPECT_TRUE(contains(error_of("type=image,unpack=some"), "neither true nor false"));
}

TEST(Output, names_what_is_wrong_and_what_there_is) {
    EXPECT_TRUE(contains(error_of("type=imge"), "did you mean image?"));
    EXPECT_TRUE(contains(error_of("type=oci,comprssion=gzip"), "did you mean compression?"));
    EXPECT_TRUE(contains(error_of("type=oci,compression=lzma"), "estargz"));
    EXPECT_TRUE(contains(error_of("type=local"), "dest=PATH"));
    EXPECT_TRUE(contains(error_of("type=oci,compression-level=13"), "0 to 12"));
    EXPECT_TRUE(contains(error_of("type=oci,push=maybe"), "neither true nor false"));
    EXPECT_TRUE(contains(error_of("name=a"), "type="));
    EXPECT_TRUE(contains(error_of("type=image,\"name=a"), "quote"));
    EXPECT_TRUE(contains(error_of("type=oci,tar=false"), "dest=DIRECTORY"));
    EXPECT_TRUE(contains(error_of("type=image,annotation-top.a=b"), "index-descriptor"));
    EXPECT_FALSE(Output::parse(""));
    EXPECT_FALSE(Output::parse("\"\""));
}

TEST(Output, writes_gzip_where_the_types_are_dockers) {
    EXPECT_EQ(parse("type=image,oci-mediatypes=false").compression, layers::Compression::gzip);
    EXPECT_TRUE(contains(error_of("type=image,oci-mediatypes=false,compression=estargz"),
                         "oci-mediatypes"));
}

TEST(Output, takes_annotations_as_flags) {
    Output output;
    ASSERT_TRUE(output.add_annotation("a:b=c"));
    ASSERT_TRUE(output.add_annotation("index,manifest[linux/arm64]:k=v"));
    EXPECT_EQ(output.annotations,
              (std::map<std::string, std::string>{
                  {"-manifest.a:b", "c"}, {"-index.k", "v"}, {"-manifest[linux/arm64].k", "v"}}));
    EXPECT_FALSE(output.add_annotation("no value"));
    EXPECT_FALSE(output.add_annotation("index,nowhere:k=v"));
    const auto parsed = Annotations::parse(output.annotations);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->manifest(*codec::Platform::parse("linux/arm64")),
              (codec::StringMap{{"a:b", "c"}, {"k", "v"}}));
    EXPECT_EQ(parsed->manifest(*codec::Platform::parse("linux/amd64")),
              (codec::StringMap{{"a:b", "c"}}));
    EXPECT_EQ(parsed->index(), (codec::StringMap{{"k", "v"}}));
}

}  // namespace
}  // namespace lazybuild::exporter
