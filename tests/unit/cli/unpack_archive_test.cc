// SPDX-License-Identifier: Apache-2.0
#include "builder/image/unpack_archive.h"

#include <gtest/gtest.h>

#include "builder/cli/cmd_copy.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

class ArchiveTest : public testing::Test {
  protected:
    ArchiveTest() : layout_(directory_) {
        one_ = layout_.add_layer("echo one > a", false);
        two_ = layout_.add_layer("echo two > b");
        image_ = layout_.add_image({one_, two_});
        layout_.write_index({{image_.entry(), "x"}});
    }

    ExitCode copy(const std::string& source) {
        console_.data.clear();
        console_.notes.clear();
        return run(CopyArgs{.source = source, .target = "oci:" + (directory_ / "out") + ":x"},
                   console_);
    }
    /// An archive as old `docker save` made them: one directory a layer, and links between them.
    void make_docker_archive(const std::string& manifest) {
        directory_.run("rm -rf saved && mkdir -p saved/1 saved/2 saved/3");
        directory_.run("cp " + layout_.blob_path(one_.blob.digest) + " saved/1/layer.tar");
        directory_.run("gunzip -c < " + layout_.blob_path(two_.blob.digest) +
                       " > saved/2/layer.tar && ln -s ../1/layer.tar saved/3/layer.tar");
        std::ofstream{directory_ / "saved/c.json"}
            << fmt::format(R"({{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers",)"
                           R"("diff_ids":["{}","{}","{}"]}}}})",
                           one_.diff_id.text(), two_.diff_id.text(), one_.diff_id.text());
        std::ofstream{directory_ / "saved/manifest.json"} << manifest;
        directory_.run("tar -C saved -cf saved.tar .");
    }

    test::TempDir directory_;
    TestLayout layout_;
    TestLayer one_;
    TestLayer two_;
    TestBlob image_;
    RecordingConsole console_;
};

TEST_F(ArchiveTest, of_oci_is_read_also_when_it_is_compressed) {
    directory_.run(
        "tar -C in -cf plain.tar . && tar -C in -czf packed.tgz oci-layout index.json "
        "blobs");
    for (const char* name : {"plain.tar", "packed.tgz"}) {
        ASSERT_EQ(copy("oci-archive:" + (directory_ / name) + ":x"), ExitCode::done)
            << console_.notes;
        EXPECT_EQ(console_.data, digest_line(image_));
        directory_.run("diff -r in/blobs out/blobs && rm -r out");
    }
}

TEST_F(ArchiveTest, that_skopeo_wrote_is_read) {
    directory_.run("skopeo copy oci:in:x oci-archive:s.tar:x > /dev/null");
    EXPECT_EQ(copy("oci-archive:" + (directory_ / "s.tar") + ":x"), ExitCode::done)
        << console_.notes;
    directory_.run("skopeo copy oci:in:x docker-archive:d.tar:name:tag > /dev/null");
    EXPECT_EQ(copy("docker-archive:" + (directory_ / "d.tar") + ":tag"), ExitCode::done)
        << console_.notes;
    EXPECT_EQ(manifest_in(directory_ / "out", "x")->layers.size(), 2U);
}

TEST_F(ArchiveTest, of_docker_save_follows_its_links) {
    make_docker_archive(R"([{"Config":"c.json","RepoTags":["a:1"],)"
                        R"("Layers":["1/layer.tar","2/layer.tar","3/layer.tar"]}])");
    ASSERT_EQ(copy("docker-archive:" + (directory_ / "saved.tar")), ExitCode::done)
        << console_.notes;
    const auto manifest = manifest_in(directory_ / "out", "x");
    ASSERT_EQ(manifest->layers.size(), 3U);
    EXPECT_EQ(manifest->layers[0].digest, one_.diff_id);
    EXPECT_EQ(manifest->layers[2].digest, one_.diff_id);
    EXPECT_EQ(copy("docker-archive:" + (directory_ / "saved.tar") + ":1"), ExitCode::done);
    EXPECT_EQ(copy("docker-archive:" + (directory_ / "saved.tar") + ":2"), ExitCode::failed);
    EXPECT_TRUE(console_.noted("a:1")) << console_.notes;
}

TEST_F(ArchiveTest, that_names_what_it_does_not_hold_is_refused) {
    make_docker_archive(R"([{"Config":"c.json","RepoTags":null,"Layers":["/etc/passwd"]}])");
    EXPECT_EQ(copy("docker-archive:" + (directory_ / "saved.tar")), ExitCode::failed);
    EXPECT_TRUE(console_.noted("\"/etc/passwd\"")) << console_.notes;
    // A link in a circle ends too.
    directory_.run(
        "cd saved && rm 1/layer.tar && ln -s ../3/layer.tar 1/layer.tar && "
        "sed -i s,/etc/passwd,1/layer.tar, manifest.json && tar -cf ../saved.tar .");
    EXPECT_EQ(copy("docker-archive:" + (directory_ / "saved.tar")), ExitCode::failed);
}

// Names in an archive never become paths, whatever they are.
TEST_F(ArchiveTest, cannot_write_outside_of_its_directory) {
    directory_.run(
        "mkdir evil && cd evil && cp -r ../in/* . && echo bad > f && "
        "tar -P --transform 's,^f$,../escaped,' -cf ../evil.tar f && "
        "ln -s /tmp/lazybuild-escape blobs/sha256/link && "
        "tar -P -rf ../evil.tar oci-layout index.json blobs");
    EXPECT_EQ(copy("oci-archive:" + (directory_ / "evil.tar") + ":x"), ExitCode::done)
        << console_.notes;
    directory_.run("test ! -e escaped && test ! -e ../escaped");
}

TEST_F(ArchiveTest, that_is_none_is_refused) {
    directory_.write("noise", std::string(4096, 'n'));
    EXPECT_EQ(copy("oci-archive:" + (directory_ / "noise")), ExitCode::failed);
    EXPECT_TRUE(console_.noted("noise")) << console_.notes;
    EXPECT_EQ(copy("docker-archive:" + (directory_ / "missing")), ExitCode::failed);
    directory_.run("tar -C in -cf cut.tar . && truncate -s 3000 cut.tar");
    EXPECT_EQ(copy("oci-archive:" + (directory_ / "cut.tar") + ":x"), ExitCode::failed);
}

TEST_F(ArchiveTest, leaves_nothing_in_the_temporary_directory) {
    directory_.run("mkdir t && tar -C in -cf plain.tar .");
    ASSERT_EQ(::setenv("TMPDIR", (directory_ / "t").c_str(), 1), 0);
    EXPECT_EQ(copy("oci-archive:" + (directory_ / "plain.tar") + ":x"), ExitCode::done);
    ::unsetenv("TMPDIR");
    directory_.run("test -z \"$(ls -A t)\"");
}

}  // namespace
}  // namespace lazybuild::cli
