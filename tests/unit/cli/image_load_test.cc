// SPDX-License-Identifier: Apache-2.0
// Loading into a docker that a thread plays, and into a real containerd.
#include "builder/cli/image_load.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "base/unix_socket.h"
#include "tests/unit/cli/containerd_fixture.h"
#include "tests/unit/export/test_store.h"

namespace lazybuild::cli {
namespace {

using exporter::test::LayerBuilder;
using exporter::test::make_image;

/// Answers a ping and one load, whose archive it keeps.
class FakeDocker {
  public:
    FakeDocker(const std::string& path, std::string answer) : answer_(std::move(answer)) {
        const auto address = unix_socket_address(path);
        listener_ = Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        EXPECT_EQ(
            ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
            0);
        EXPECT_EQ(::listen(listener_.get(), 4), 0);
        thread_ = std::jthread{[this] { serve(); }};
    }
    /// When both requests are answered.
    std::string archive() {
        thread_.join();
        return archive_;
    }
    ~FakeDocker() { ::shutdown(listener_.get(), SHUT_RDWR); }

    std::string load_head;

  private:
    void serve() {
        for (int i = 0; i < 2; ++i) {
            const Fd peer{::accept(listener_.get(), nullptr, nullptr)};
            if (!peer) {
                return;
            }
            buffer_.clear();
            const std::string head = until(peer.get(), "\r\n\r\n");
            if (head.starts_with("POST")) {
                load_head = head;
                read_chunks(peer.get());
                reply(peer.get(), answer_);
            } else {
                reply(peer.get(), "OK");
            }
        }
    }
    void read_chunks(int peer) {
        while (true) {
            const std::size_t size = std::stoul(until(peer, "\r\n"), nullptr, 16);
            archive_ += exactly(peer, size);
            exactly(peer, 2);
            if (size == 0) {
                return;
            }
        }
    }
    bool more(int peer) {
        std::string piece(64 << 10, '\0');
        const ssize_t count = ::recv(peer, piece.data(), piece.size(), 0);
        buffer_.append(piece, 0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        return count > 0;
    }
    std::string until(int peer, std::string_view mark) {
        while (buffer_.find(mark) == std::string::npos && more(peer)) {
        }
        return exactly(peer, buffer_.find(mark) + mark.size());
    }
    std::string exactly(int peer, std::size_t size) {
        while (buffer_.size() < size && more(peer)) {
        }
        std::string taken = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return taken;
    }
    static void reply(int peer, const std::string& body) {
        const std::string text =
            fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                        body.size(), body);
        EXPECT_TRUE(write_all(peer, as_bytes(text)));
    }

    std::string answer_;
    std::string buffer_;
    std::string archive_;
    Fd listener_;
    std::jthread thread_;
};

class ImageLoadTest : public exporter::test::ExportFixture {
  protected:
    Result<exporter::Exported> load(const std::string& to, const LoadPlaces& places) {
        return session_->run_blocking([&] {
            return load_output(output(to), {image_}, {}, store_, *session_, progress_, places);
        });
    }

    exporter::BuiltImage image_ =
        make_image({LayerBuilder{}.file("a", std::string(700'000, 'x')).finish("a")});
};

TEST_F(ImageLoadTest, gives_docker_an_archive) {
    FakeDocker docker{directory_ / "docker.sock", "{\"stream\":\"Loaded image: app:1\\n\"}\n"};
    const auto loaded =
        load("type=docker,name=app:1",
             {.docker = directory_ / "docker.sock", .containerd = {}, .name_space = {}});
    ASSERT_TRUE(loaded) << loaded.error().message;
    directory_.write("got.tar", docker.archive());
    EXPECT_NE(docker.load_head.find("POST /images/load"), std::string::npos);
    directory_.run(
        "skopeo inspect docker-archive:got.tar > inspected && "
        "tar -xOf got.tar manifest.json | grep -q '\"app:1\"'");
}

TEST_F(ImageLoadTest, passes_on_what_docker_says) {
    FakeDocker docker{directory_ / "docker.sock",
                      "{\"stream\":\"x\"}\n{\"error\":\"no space left\"}\n"};
    const auto loaded =
        load("type=docker,name=app:1",
             {.docker = directory_ / "docker.sock", .containerd = {}, .name_space = {}});
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message.find("no space left"), std::string::npos)
        << loaded.error().message;
}

TEST_F(ImageLoadTest, names_what_it_has_tried) {
    const auto loaded = load("type=docker,name=app:1", {.docker = directory_ / "none.sock",
                                                        .containerd = directory_ / "no.sock",
                                                        .name_space = "default"});
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message.find("none.sock"), std::string::npos);
    EXPECT_NE(loaded.error().message.find("no.sock"), std::string::npos);
}

TEST_F(ImageLoadTest, gives_containerd_content_and_a_record) {
    const auto containerd = ContainerdDaemon::start();
    if (!containerd) {
        GTEST_SKIP() << "needs root and containerd";
    }
    const LoadPlaces places{
        .docker = "", .containerd = containerd->socket(), .name_space = "default"};
    const auto loaded = load("type=docker,\"name=app:1,app:2\"", places);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const std::string images = containerd->ctr("images ls");
    EXPECT_NE(images.find("docker.io/library/app:1"), std::string::npos) << images;
    EXPECT_NE(images.find(loaded->root.digest.text()), std::string::npos) << images;
    const std::string checked = containerd->ctr("images check");
    EXPECT_NE(checked.find("complete (2/2)"), std::string::npos) << checked;
    EXPECT_EQ(containerd->count("leases ls"), 1U);
    ASSERT_TRUE(load("type=docker,name=app:3", places));
    containerd->ctr("images export --platform linux/amd64 out.tar docker.io/library/app:3");
}

}  // namespace
}  // namespace lazybuild::cli
