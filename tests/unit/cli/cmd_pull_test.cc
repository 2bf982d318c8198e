// SPDX-License-Identifier: Apache-2.0
// Pulls into a real containerd through a snapshotter that is not lazy: everything but the remote
// handshake, which the integration tests show with the real daemon.
#include "builder/cli/cmd_pull.h"

#include <gtest/gtest.h>

#include "builder/cli/cmd_copy.h"
#include "tests/support/docker_registry.h"
#include "tests/support/image_fixture.h"
#include "tests/unit/cli/containerd_fixture.h"

namespace lazybuild::cli {
namespace {

class PullTest : public testing::Test {
  protected:
    PullTest() : layout_(directory_) {}

    void SetUp() override {
        registry_ = test::DockerRegistry::start();
        containerd_ = ContainerdDaemon::start();
        if (!registry_ || !containerd_) {
            GTEST_SKIP() << "needs root, containerd and docker-registry";
        }
        // cat and what it needs, so that a container can say something.
        lower_ = layout_.add_layer(
            "mkdir -p bin dev proc sys && cp /bin/cat bin/ && "
            "for f in $(ldd /bin/cat | grep -o '/[^ ]*'); do "
            "mkdir -p .$(dirname $f) && cp -L $f .$f; done");
        upper_ = layout_.add_layer("mkdir etc; echo hello from a container > etc/motd");
        publish(layout_.add_image({lower_, upper_}, codec::host_platform().architecture));
    }

    void publish(const TestBlob& image) {
        layout_.write_index({{image.entry(), "x"}});
        RecordingConsole console;
        ASSERT_EQ(run(CopyArgs{.source = layout_.place("x"), .target = image_name()}, console),
                  ExitCode::done)
            << console.notes;
        image_ = image;
    }

    std::string image_name() const { return registry_->host() + "/app:1"; }
    PullArgs args() const {
        PullArgs args;
        args.image = image_name();
        args.containerd = containerd_->socket();
        args.snapshotter = kSnapshotter;
        return args;
    }
    ExitCode pull() {
        console_.data.clear();
        console_.notes.clear();
        return run(args(), console_);
    }
    std::size_t snapshots() const {
        return containerd_->count(fmt::format("snapshots --snapshotter {} ls", kSnapshotter)) - 1;
    }
    void expect_nothing_is_left() const {
        EXPECT_EQ(containerd_->ctr("images ls -q"), "");
        EXPECT_EQ(containerd_->ctr("leases ls -q"), "");
        const std::string list =
            containerd_->ctr(fmt::format("snapshots --snapshotter {} ls", kSnapshotter));
        EXPECT_EQ(list.find("extract-"), std::string::npos) << list;
    }

    test::TempDir directory_;
    TestLayout layout_;
    std::unique_ptr<test::DockerRegistry> registry_;
    std::unique_ptr<ContainerdDaemon> containerd_;
    TestLayer lower_;
    TestLayer upper_;
    TestBlob image_;
    RecordingConsole console_;
};

TEST_F(PullTest, gives_containerd_a_complete_image_that_runs) {
    ASSERT_EQ(pull(), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, digest_line(image_));
    EXPECT_TRUE(console_.noted("pulled in full")) << console_.notes;
    EXPECT_TRUE(console_.noted("0 layers lazy, 2 in full")) << console_.notes;
    const std::string check =
        containerd_->ctr(fmt::format("images check --snapshotter {}", kSnapshotter));
    EXPECT_NE(check.find("complete (3/3)"), std::string::npos) << check;
    EXPECT_NE(check.find("true"), std::string::npos) << check;
    EXPECT_EQ(containerd_->ctr("leases ls -q"), "");
    EXPECT_EQ(snapshots(), 2U);
    if (std::system("command -v runc > /dev/null") == 0) {
        EXPECT_EQ(
            containerd_->ctr(fmt::format("run --rm --snapshotter {} {} one /bin/cat /etc/motd",
                                         kSnapshotter, image_name())),
            "hello from a container\n");
    }
}

TEST_F(PullTest, a_second_time_fetches_only_documents) {
    ASSERT_EQ(pull(), ExitCode::done) << console_.notes;
    ASSERT_EQ(pull(), ExitCode::done) << console_.notes;
    EXPECT_TRUE(console_.noted("0 layers lazy, 0 in full, 2 there before")) << console_.notes;
    EXPECT_EQ(snapshots(), 2U);
}

TEST_F(PullTest, is_kept_by_garbage_collection_until_the_image_goes) {
    ASSERT_EQ(pull(), ExitCode::done) << console_.notes;
    // An unrelated image that goes makes containerd collect.
    containerd_->ctr(fmt::format("images tag {} other:1", image_name()));
    containerd_->ctr("images rm --sync other:1");
    EXPECT_EQ(containerd_->count("content ls -q"), 4U);
    EXPECT_EQ(snapshots(), 2U);
    containerd_->ctr("images rm --sync " + image_name());
    EXPECT_EQ(containerd_->count("content ls -q"), 0U);
    EXPECT_EQ(snapshots(), 0U);
}

TEST_F(PullTest, of_a_new_version_moves_the_record_and_keeps_common_layers) {
    ASSERT_EQ(pull(), ExitCode::done) << console_.notes;
    publish(layout_.add_image({lower_, layout_.add_layer("echo new > new")},
                              codec::host_platform().architecture));
    ASSERT_EQ(pull(), ExitCode::done) << console_.notes;
    EXPECT_TRUE(console_.noted("1 in full, 1 there before")) << console_.notes;
    const std::string list = containerd_->ctr("images ls");
    EXPECT_NE(list.find(image_.digest.text()), std::string::npos) << list;
}

TEST_F(PullTest, of_an_index_takes_the_hosts_image_and_records_the_index) {
    const TestBlob other = layout_.add_image({upper_}, "s390x");
    TestBlob index = layout_.add(
        fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{},{}]}})",
                    codec::media_type::kOciIndex,
                    other.entry(R"(,"platform":{"os":"linux","architecture":"s390x"})"),
                    image_.entry(fmt::format(R"(,"platform":{{"os":"linux","architecture":"{}"}})",
                                             codec::host_platform().architecture))));
    index.media_type = codec::media_type::kOciIndex;
    publish(index);
    ASSERT_EQ(pull(), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, digest_line(index));
    const std::string content = containerd_->ctr("content ls");
    EXPECT_NE(content.find("containerd.io/gc.ref.content.m.1"), std::string::npos) << content;
    containerd_->ctr("images rm --sync " + image_name());
    EXPECT_EQ(containerd_->count("content ls -q"), 0U);
}

TEST_F(PullTest, of_a_layer_with_another_diff_id_leaves_nothing) {
    TestLayer liar = upper_;
    liar.diff_id = codec::sha256(as_bytes("something else"));
    publish(layout_.add_image({lower_, liar}, codec::host_platform().architecture));
    EXPECT_EQ(pull(), ExitCode::failed);
    EXPECT_TRUE(console_.noted("diffID")) << console_.notes;
    expect_nothing_is_left();
}

TEST_F(PullTest, that_is_interrupted_leaves_nothing) {
    console_.interrupt_at = "layer 1/2";
    EXPECT_EQ(pull(), ExitCode::failed);
    EXPECT_TRUE(console_.noted("interrupted")) << console_.notes;
    expect_nothing_is_left();
    console_.interrupt_at.clear();
    EXPECT_EQ(pull(), ExitCode::done) << console_.notes;
}

TEST_F(PullTest, into_a_namespace_of_its_own) {
    PullArgs how = args();
    how.name_space = "k8s.io";
    ASSERT_EQ(run(how, console_), ExitCode::done) << console_.notes;
    EXPECT_EQ(containerd_->ctr("images ls -q"), "");
    EXPECT_EQ(containerd_->ctr("--namespace k8s.io images ls -q"), image_name() + "\n");
}

TEST_F(PullTest, says_when_the_snapshotter_is_not_there) {
    PullArgs how = args();
    how.snapshotter = "nobody";
    EXPECT_EQ(run(how, console_), ExitCode::failed);
    EXPECT_TRUE(console_.noted("nobody")) << console_.notes;
    expect_nothing_is_left();
}

TEST(PullCommand, says_when_containerd_is_not_there) {
    RecordingConsole console;
    PullArgs args;
    args.image = "127.0.0.1:1/a:1";
    args.containerd = "/no/such/socket";
    EXPECT_EQ(run(args, console), ExitCode::failed);
    EXPECT_TRUE(console.noted("no containerd at /no/such/socket")) << console.notes;
    args.image = "oci:/a";
    EXPECT_EQ(run(args, console), ExitCode::usage);
}

}  // namespace
}  // namespace lazybuild::cli
