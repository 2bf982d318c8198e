// SPDX-License-Identifier: Apache-2.0
// The small parts of the service: labels, disk usage, sd_notify, the report of --check.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "base/file.h"
#include "snapshotter/service/check.h"
#include "snapshotter/service/disk_usage.h"
#include "snapshotter/service/notify.h"
#include "snapshotter/service/remote_labels.h"

namespace lazybuild::service {
namespace {

std::string digest_text(char digit) {
    return "sha256:" + std::string(64, digit);
}

store::Labels complete_labels() {
    return {{"containerd.io/snapshot.ref", digest_text('1')},
            {"containerd.io/snapshot/cri.image-ref", "docker.io/library/python:3"},
            {"containerd.io/snapshot/cri.layer-digest", digest_text('a')},
            {"containerd.io/snapshot/cri.manifest-digest", digest_text('b')},
            {"containerd.io/snapshot/stargz/toc.digest", digest_text('c')},
            {"containerd.io/snapshot/cri.image-layers",
             digest_text('a') + "," + digest_text('d') + ",sha256:cut"}};
}

TEST(RemoteLabels, are_read) {
    const RemoteTarget target = parse_remote_labels(complete_labels()).value();
    EXPECT_EQ(target.chain_id.text(), digest_text('1'));
    EXPECT_EQ(target.image.text(), "docker.io/library/python:3");
    EXPECT_EQ(target.layer.text(), digest_text('a'));
    EXPECT_EQ(target.manifest->text(), digest_text('b'));
    EXPECT_EQ(target.toc->text(), digest_text('c'));
    ASSERT_EQ(target.layers.size(), 2u) << "what was cut off is left out";
    EXPECT_EQ(target.layers[1].text(), digest_text('d'));
}

TEST(RemoteLabels, ask_only_with_a_reference) {
    store::Labels labels = complete_labels();
    EXPECT_TRUE(asks_for_remote(labels));
    labels.erase("containerd.io/snapshot.ref");
    EXPECT_FALSE(asks_for_remote(labels));
    EXPECT_FALSE(parse_remote_labels(labels).has_value());
}

TEST(RemoteLabels, errors_name_the_label) {
    for (const char* label :
         {"containerd.io/snapshot/cri.image-ref", "containerd.io/snapshot/cri.layer-digest"}) {
        store::Labels labels = complete_labels();
        labels.erase(label);
        auto parsed = parse_remote_labels(labels);
        ASSERT_FALSE(parsed.has_value());
        EXPECT_NE(parsed.error().message.find(label), std::string::npos) << parsed.error().message;
    }
    for (const char* label :
         {"containerd.io/snapshot.ref", "containerd.io/snapshot/cri.image-ref",
          "containerd.io/snapshot/cri.layer-digest", "containerd.io/snapshot/cri.manifest-digest",
          "containerd.io/snapshot/stargz/toc.digest"}) {
        store::Labels labels = complete_labels();
        labels[label] = "../../etc";
        auto parsed = parse_remote_labels(labels);
        ASSERT_FALSE(parsed.has_value()) << label;
        EXPECT_NE(parsed.error().message.find(label), std::string::npos) << parsed.error().message;
    }
}

class DiskUsage : public ::testing::Test {
  protected:
    DiskUsage() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
    ~DiskUsage() override { EXPECT_TRUE(remove_tree(path_).has_value()); }
    std::string path_ = "/tmp/disk-usage-XXXXXX";
};

TEST_F(DiskUsage, counts_blocks_and_inodes_and_links_once) {
    ASSERT_TRUE(make_directories(path_ + "/a/b").has_value());
    ASSERT_TRUE(replace_file(path_ + "/a/file", as_bytes(std::string(50'000, 'x'))).has_value());
    ASSERT_EQ(::link((path_ + "/a/file").c_str(), (path_ + "/a/b/link").c_str()), 0);
    ASSERT_EQ(::symlink("/nowhere", (path_ + "/a/symlink").c_str()), 0);
    std::uint64_t expected = 0;
    for (const char* name : {"", "/a", "/a/b", "/a/file", "/a/symlink"}) {
        struct stat status{};
        ASSERT_EQ(::lstat((path_ + name).c_str(), &status), 0);
        expected += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    const store::Usage usage = disk_usage(path_).value();
    EXPECT_EQ(usage.inodes, 5u);
    EXPECT_EQ(usage.size_bytes, expected);
}

TEST_F(DiskUsage, counts_holes_as_nothing) {
    const std::string file = path_ + "/sparse";
    ASSERT_TRUE(replace_file(file, {}).has_value());
    ASSERT_EQ(::truncate(file.c_str(), 1 << 30), 0);
    EXPECT_LT(disk_usage(path_)->size_bytes, 1u << 20);
}

TEST_F(DiskUsage, of_a_missing_directory_is_an_error) {
    EXPECT_FALSE(disk_usage(path_ + "/nothing").has_value());
}

class Notify : public ::testing::Test {
  protected:
    ~Notify() override { ::unsetenv("NOTIFY_SOCKET"); }

    /// What arrives at `address` when "READY=1" is sent there.
    static std::string notified_at(const std::string& address) {
        const Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path, address.data(), address.size());
        if (address[0] == '@') {
            name.sun_path[0] = '\0';
        }
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
        ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
        EXPECT_TRUE(notify_service_manager("READY=1").has_value());
        char text[64];
        const ssize_t count = ::recv(socket.get(), text, sizeof text, 0);
        return count < 0 ? "<nothing>" : std::string(text, static_cast<std::size_t>(count));
    }
};

TEST_F(Notify, reaches_a_socket_file_and_an_abstract_socket) {
    const std::string name = "lazy-notify-test-" + std::to_string(::getpid());
    EXPECT_EQ(notified_at("/tmp/" + name), "READY=1");
    ::unlink(("/tmp/" + name).c_str());
    EXPECT_EQ(notified_at("@" + name), "READY=1");
}

TEST_F(Notify, is_silent_without_a_service_manager_and_refuses_nonsense) {
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_TRUE(notify_service_manager("READY=1").has_value());
    ::setenv("NOTIFY_SOCKET", "relative", 1);
    EXPECT_FALSE(notify_service_manager("READY=1").has_value());
    ::setenv("NOTIFY_SOCKET", "/nowhere/socket", 1);
    EXPECT_FALSE(notify_service_manager("READY=1").has_value());
}

TEST(Check, reports_each_feature_and_a_verdict) {
    const std::vector<fuse::HostFeature> features = {
        {.name = "EROFS", .works = true, .needed = true, .detail = ""},
        {.name = "directio", .works = false, .needed = false, .detail = "Linux 6.15"}};
    EXPECT_TRUE(is_usable(features));
    EXPECT_EQ(check_report(features),
              "ok      EROFS\n"
              "slower  directio  Linux 6.15\n"
              "layers will be served lazily: EROFS over FUSE disks\n");
    const std::vector<fuse::HostFeature> missing = {
        {.name = "/dev/fuse", .works = false, .needed = true, .detail = "modprobe fuse"}};
    EXPECT_FALSE(is_usable(missing));
    EXPECT_EQ(check_report(missing),
              "MISSING /dev/fuse  modprobe fuse\n"
              "layers cannot be served lazily here\n");
}

}  // namespace
}  // namespace lazybuild::service
