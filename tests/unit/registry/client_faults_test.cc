// SPDX-License-Identifier: Apache-2.0
// The client against servers that are slow, broken, lying or hostile: downloads.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "snapshotter/io/when_all.h"
#include "tests/support/fake_server.h"
#include "tests/unit/registry/client_fixture.h"

namespace lazybuild::registry {
namespace {

using std::chrono::milliseconds;
using test::FakeReply;
using test::FakeRequest;
using test::FakeServer;
using test::reply;

constexpr std::string_view kBlob = "0123456789abcdefghijklmnopqrstuvwxyz";

// Answers a GET as a correct registry would whose blobs are all kBlob.
FakeReply serve_blob(const FakeRequest& request, std::string_view blob = kBlob) {
    const std::string range = request.field("range");
    if (range.empty()) {
        return reply(200, blob);
    }
    const std::size_t dash = range.find('-');
    const std::size_t first = std::stoul(range.substr(6));
    const std::size_t last =
        dash + 1 == range.size() ? blob.size() - 1 : std::stoul(range.substr(dash + 1));
    const std::size_t end = std::min(last + 1, blob.size());
    return reply(206, blob.substr(first, end - first),
                 fmt::format("Content-Range: bytes {}-{}/{}\r\n", first, end - 1, blob.size()));
}

class ClientFaults : public ClientFixture {
  protected:
    Result<Bytes> get(const FakeServer& server, std::uint64_t offset, std::uint64_t size,
                      io::Wait wait = soon()) {
        return run(
            client().get_range({server.host(), "a"}, digest_, offset, size, std::move(wait)));
    }
    Result<Document> get_manifest(const FakeServer& server, const std::string& reference) {
        return run(client().get_manifest({server.host(), "a"}, reference, soon()));
    }

    const codec::Digest digest_ = codec::sha256(as_bytes(kBlob));
};

TEST_F(ClientFaults, asks_for_exact_ranges_without_encoding) {
    FakeServer server([](const FakeRequest& request) { return serve_blob(request); });
    EXPECT_EQ(as_text(get(server, 10, 3).value()), "abc");
    const FakeRequest request = server.requests().at(0);
    EXPECT_EQ(request.target, "/v2/a/blobs/" + digest_.text());
    EXPECT_EQ(request.field("range"), "bytes=10-12");
    EXPECT_EQ(request.field("accept-encoding"), "identity");
    EXPECT_EQ(request.field("host"), server.host());
    EXPECT_EQ(request.field("authorization"), "");
}

TEST_F(ClientFaults, uses_one_connection_for_one_request_after_another) {
    FakeServer server([](const FakeRequest& request) { return serve_blob(request); });
    for (std::uint64_t i = 0; i < 10; ++i) {
        EXPECT_TRUE(get(server, i, 5));
    }
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(ClientFaults, opens_no_more_connections_than_allowed) {
    FakeServer server([](const FakeRequest& request) { return serve_blob(request); });
    ClientOptions options = quick_options();
    options.connections_per_host = 3;
    use(options);
    std::vector<io::Task<Result<Bytes>>> reads;
    reads.reserve(30);
    for (std::uint64_t i = 0; i < 30; ++i) {
        reads.push_back(client().get_range({server.host(), "a"}, digest_, i, 5, soon()));
    }
    for (const auto& part : run(io::when_all(*reactor_, std::move(reads)))) {
        EXPECT_TRUE(part) << message_of(part);
    }
    EXPECT_LE(server.connections(), 3U);
}

TEST_F(ClientFaults, replaces_a_connection_that_died_while_idle) {
    // Each connection answers once and then closes without having said so, at the next request.
    std::map<std::size_t, int> answered;
    FakeServer server([&](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        if (answered[request.connection]++ > 0) {
            answer = {.bytes = "", .close = true};
        }
        return answer;
    });
    ClientOptions options = quick_options();
    options.attempts_max = 1;  // it is no failed attempt
    use(options);
    for (int i = 0; i < 3; ++i) {
        const auto bytes = get(server, 0, 5);
        EXPECT_TRUE(bytes) << message_of(bytes);
    }
    EXPECT_EQ(server.connections(), 3U);
}

TEST_F(ClientFaults, does_not_reuse_what_the_server_closes) {
    FakeServer server([](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        answer.bytes.insert(answer.bytes.find("\r\n") + 2, "Connection: close\r\n");
        answer.close = true;
        return answer;
    });
    EXPECT_TRUE(get(server, 0, 5));
    EXPECT_TRUE(get(server, 0, 5));
    EXPECT_EQ(server.connections(), 2U);
}

TEST_F(ClientFaults, does_not_reuse_a_connection_with_unasked_bytes) {
    FakeServer server([](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        answer.bytes += "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        return answer;
    });
    EXPECT_EQ(as_text(get(server, 0, 3).value()), "012");
    EXPECT_EQ(as_text(get(server, 10, 3).value()), "abc");
    EXPECT_EQ(server.connections(), 2U);
}

TEST_F(ClientFaults, does_not_reuse_a_connection_that_spoke_unasked) {
    // A complete answer, and what might pass for the next one once the connection is idle.
    FakeServer server([](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        answer.bytes += "HTTP/1.1 206 OK\r\nContent-Length: 3\r\n\r\nevi";
        answer.drip = milliseconds(1);
        return answer;
    });
    EXPECT_EQ(as_text(get(server, 0, 3).value()), "012");
    const io::Deadline give_up = io::deadline_in(kTestDeadline);
    while (server.answers() < 1 && io::Clock::now() < give_up) {
        ASSERT_TRUE(run(io::sleep(*reactor_, {.deadline = io::deadline_in(milliseconds(5))})));
    }
    EXPECT_EQ(as_text(get(server, 10, 3).value()), "abc");
    EXPECT_EQ(server.connections(), 2U);
}

TEST_F(ClientFaults, reads_chunked_bodies) {
    FakeServer server([](const FakeRequest&) {
        return FakeReply{.bytes =
                             "HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n"
                             "Content-Range: bytes 0-5/36\r\n\r\n"
                             "2\r\n01\r\n4\r\n2345\r\n0\r\n\r\n"};
    });
    EXPECT_EQ(as_text(get(server, 0, 6).value()), "012345");
    EXPECT_EQ(as_text(get(server, 0, 6).value()), "012345");
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(ClientFaults, steps_over_interim_answers) {
    FakeServer server([](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        answer.bytes.insert(0, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n");
        return answer;
    });
    EXPECT_EQ(as_text(get(server, 0, 3).value()), "012");
}

TEST_F(ClientFaults, gives_up_on_endless_interim_answers) {
    FakeServer server([](const FakeRequest&) {
        std::string many;
        for (int i = 0; i < 1000; ++i) {
            many += "HTTP/1.1 100 Continue\r\n\r\n";
        }
        return FakeReply{.bytes = many};
    });
    EXPECT_EQ(code_of(get(server, 0, 3)), std::errc::argument_out_of_domain);
}

TEST_F(ClientFaults, goes_on_where_a_body_was_cut) {
    std::atomic<int> count = 0;
    FakeServer server([&](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        if (++count <= 2) {
            answer.bytes.resize(answer.bytes.size() - 4);
            answer.close = true;
        }
        return answer;
    });
    const auto bytes = get(server, 0, 10);
    ASSERT_TRUE(bytes) << message_of(bytes);
    EXPECT_EQ(as_text(*bytes), "0123456789");
    EXPECT_EQ(server.requests().at(1).field("range"), "bytes=6-9");
}

TEST_F(ClientFaults, gives_up_on_bodies_that_are_always_cut) {
    FakeServer server([](const FakeRequest&) {
        return FakeReply{.bytes =
                             "HTTP/1.1 206 OK\r\nContent-Length: 10\r\n"
                             "Content-Range: bytes 0-9/36\r\n\r\n",
                         .close = true};
    });
    const auto bytes = get(server, 0, 10);
    EXPECT_EQ(code_of(bytes), std::errc::connection_reset);
    EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(ClientFaults, rejects_another_range) {
    for (const std::string_view content_range :
         {"bytes 1-10/36", "bytes 0-10/36", "bytes 0-8/36", "bytes 9-0/36", "bytes 0-9/5",
          "bytes */36", "nonsense", ""}) {
        FakeServer server([&](const FakeRequest&) {
            return reply(
                206, "0123456789",
                content_range.empty() ? "" : fmt::format("Content-Range: {}\r\n", content_range));
        });
        EXPECT_EQ(code_of(get(server, 0, 10)), std::errc::bad_message) << content_range;
        EXPECT_EQ(server.requests().size(), 1U);
    }
}

TEST_F(ClientFaults, rejects_a_body_that_contradicts_its_range) {
    FakeServer shorter(
        [](const FakeRequest&) { return reply(206, "01234", "Content-Range: bytes 0-9/36\r\n"); });
    EXPECT_FALSE(get(shorter, 0, 10));
    FakeServer longer([](const FakeRequest&) {
        return reply(206, "0123456789abc", "Content-Range: bytes 0-9/36\r\n");
    });
    EXPECT_EQ(code_of(get(longer, 0, 10)), std::errc::bad_message);
}

TEST_F(ClientFaults, takes_a_whole_body_for_a_range_near_the_start) {
    FakeServer server([](const FakeRequest&) { return reply(200, kBlob); });
    EXPECT_EQ(as_text(get(server, 10, 3).value()), "abc");
    EXPECT_EQ(code_of(get(server, 30, 10)), std::errc::invalid_argument);
    EXPECT_EQ(code_of(get(server, 100, 10)), std::errc::invalid_argument);
}

TEST_F(ClientFaults, does_not_download_a_layer_to_skip_it) {
    FakeServer server([](const FakeRequest&) { return reply(200, kBlob); });
    const auto bytes = get(server, 100'000'000, 10);
    EXPECT_EQ(code_of(bytes), std::errc::not_supported);
    EXPECT_NE(message_of(bytes).find("range"), std::string::npos);
}

TEST_F(ClientFaults, refuses_encoded_blobs) {
    FakeServer server(
        [](const FakeRequest&) { return reply(200, kBlob, "Content-Encoding: gzip\r\n"); });
    EXPECT_EQ(code_of(get(server, 0, 10)), std::errc::bad_message);
}

TEST_F(ClientFaults, tries_again_after_server_errors) {
    for (const int status : {408, 429, 500, 502, 503, 504}) {
        std::atomic<int> count = 0;
        FakeServer server([&](const FakeRequest& request) {
            return ++count < 3 ? reply(status) : serve_blob(request);
        });
        const auto bytes = get(server, 0, 3);
        EXPECT_TRUE(bytes) << message_of(bytes);
        EXPECT_EQ(count, 3);
    }
}

TEST_F(ClientFaults, does_not_repeat_what_will_not_pass) {
    for (const auto& [status, code] : {std::pair{400, std::errc::protocol_error},
                                       {403, std::errc::permission_denied},
                                       {404, std::errc::no_such_file_or_directory},
                                       {416, std::errc::invalid_argument},
                                       {451, std::errc::protocol_error},
                                       {501, std::errc::protocol_error}}) {
        FakeServer server([answer = reply(status)](const FakeRequest&) { return answer; });
        EXPECT_EQ(code_of(get(server, 0, 3)), code) << status;
        EXPECT_EQ(server.requests().size(), 1U) << status;
    }
}

TEST_F(ClientFaults, says_what_the_registry_said_to_the_last) {
    FakeServer server([](const FakeRequest&) {
        return reply(503, R"({"errors":[{"code":"UNAVAILABLE","message":"back soon"}]})");
    });
    const auto bytes = get(server, 0, 3);
    EXPECT_EQ(code_of(bytes), std::errc::resource_unavailable_try_again);
    EXPECT_NE(message_of(bytes).find("503 Scripted: UNAVAILABLE: back soon"), std::string::npos)
        << message_of(bytes);
    EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(ClientFaults, waits_as_long_as_the_server_asks) {
    std::atomic<int> count = 0;
    FakeServer server([&](const FakeRequest& request) {
        return ++count < 2 ? reply(429, "", "Retry-After: 1\r\n") : serve_blob(request);
    });
    const io::Deadline start = io::Clock::now();
    EXPECT_TRUE(get(server, 0, 3));
    EXPECT_GE(io::Clock::now() - start, std::chrono::seconds(1));
}

TEST_F(ClientFaults, does_not_wait_beyond_the_deadline) {
    FakeServer server(
        [](const FakeRequest&) { return reply(429, "slow down", "Retry-After: 3600\r\n"); });
    // The pause (at most 60 s) does not fit: the answer comes at once, not at the deadline.
    const auto bytes = get(server, 0, 3, {.deadline = io::deadline_in(std::chrono::seconds(50))});
    EXPECT_EQ(code_of(bytes), std::errc::resource_unavailable_try_again);
    EXPECT_NE(message_of(bytes).find("slow down"), std::string::npos);
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(ClientFaults, bounds_what_the_server_asks) {
    ClientOptions options = quick_options();
    options.retry_after_max = milliseconds(10);
    use(options);
    std::atomic<int> count = 0;
    FakeServer server([&](const FakeRequest& request) {
        return ++count < 2 ? reply(429, "", "Retry-After: 3600\r\n") : serve_blob(request);
    });
    EXPECT_TRUE(get(server, 0, 3));
}

TEST_F(ClientFaults, ends_at_the_deadline_of_its_wait) {
    FakeServer server([](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        answer.drip = milliseconds(20);  // never idle, never done
        return answer;
    });
    const auto bytes = get(server, 0, 30, {.deadline = io::deadline_in(milliseconds(300))});
    EXPECT_EQ(code_of(bytes), std::errc::timed_out) << message_of(bytes);
}

TEST_F(ClientFaults, gives_up_on_silence) {
    ClientOptions options = quick_options();
    options.idle_timeout = milliseconds(50);
    options.attempts_max = 2;
    use(options);
    FakeServer server(
        [](const FakeRequest&) { return FakeReply{.bytes = "HTTP/1", .hang = true}; });
    const auto bytes = get(server, 0, 3);
    EXPECT_EQ(code_of(bytes), std::errc::timed_out) << message_of(bytes);
    EXPECT_EQ(server.requests().size(), 2U);
}

TEST_F(ClientFaults, ends_when_it_is_cancelled) {
    io::CancelSource source;
    FakeServer server([&](const FakeRequest&) {
        reactor_->post([&] { source.cancel(); });
        return FakeReply{.bytes = "", .hang = true};
    });
    const auto bytes = get(server, 0, 3, {.cancel = source.token()});
    EXPECT_EQ(code_of(bytes), std::errc::operation_canceled);
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(ClientFaults, limits_heads) {
    FakeServer server([](const FakeRequest&) {
        return reply(200, "", "X: " + std::string(200'000, 'x') + "\r\n");
    });
    EXPECT_EQ(code_of(get(server, 0, 3)), std::errc::argument_out_of_domain);
    FakeServer endless([](const FakeRequest&) {
        return FakeReply{.bytes = "HTTP/1.1 200 " + std::string(200'000, 'x')};
    });
    EXPECT_EQ(code_of(get(endless, 0, 3)), std::errc::argument_out_of_domain);
}

TEST_F(ClientFaults, rejects_what_is_not_http) {
    for (const std::string_view bytes :
         {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 two hundred\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
          "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"}) {
        FakeServer server([&](const FakeRequest&) {
            return FakeReply{.bytes = std::string(bytes), .close = true};
        });
        EXPECT_EQ(code_of(get(server, 0, 3)), std::errc::bad_message) << bytes;
        EXPECT_EQ(server.requests().size(), 1U) << bytes;
    }
}

TEST_F(ClientFaults, tells_of_a_refused_connection) {
    std::string host;
    {
        FakeServer server([](const FakeRequest&) { return reply(200); });
        host = server.host();
    }
    const auto size = run(client().blob_size({host, "a"}, digest_, soon()));
    EXPECT_EQ(code_of(size), std::errc::connection_refused);
    EXPECT_NE(message_of(size).find(host), std::string::npos) << message_of(size);
}

TEST_F(ClientFaults, tells_of_a_name_that_does_not_exist) {
    ClientOptions options = quick_options();
    options.attempts_max = 1;
    use(options);
    const auto size =
        run(client().blob_size({"registry.does-not-exist.invalid", "a"}, digest_, soon()));
    ASSERT_FALSE(size);
    EXPECT_NE(message_of(size).find("registry.does-not-exist.invalid"), std::string::npos);
}

TEST_F(ClientFaults, refuses_repositories_that_are_none) {
    const auto size = run(client().blob_size({"127.0.0.1:1", "a/../b"}, digest_, soon()));
    EXPECT_EQ(code_of(size), std::errc::invalid_argument);
    const auto manifest = run(client().get_manifest({"127.0.0.1:1", "a"}, "a/b", soon()));
    EXPECT_EQ(code_of(manifest), std::errc::invalid_argument);
    EXPECT_EQ(code_of(run(client().get_range({"127.0.0.1:1", "a"}, digest_, 0, 0, soon()))),
              std::errc::invalid_argument);
    EXPECT_EQ(code_of(run(client().get_range({"127.0.0.1:1", "a"}, digest_, ~0ULL, 2, soon()))),
              std::errc::invalid_argument);
}

TEST_F(ClientFaults, a_stream_ends_with_an_error_when_it_is_cut) {
    std::atomic<int> count = 0;
    FakeServer server([&](const FakeRequest& request) {
        FakeReply answer = serve_blob(request);
        if (++count == 1) {
            answer.bytes.resize(answer.bytes.size() - 6);
            answer.close = true;
        }
        return answer;
    });
    const Repository repository{server.host(), "a"};
    auto stream = run(client().open_blob(repository, digest_, 10, soon()));
    ASSERT_TRUE(stream) << message_of(stream);
    const auto cut = run(read_stream(**stream));
    EXPECT_EQ(code_of(cut), std::errc::connection_reset);
    EXPECT_EQ((*stream)->offset_bytes(), 30U);
    EXPECT_FALSE(run(read_stream(**stream)));
    // What its reader is told to do.
    auto rest = run(client().open_blob(repository, digest_, (*stream)->offset_bytes(), soon()));
    ASSERT_TRUE(rest) << message_of(rest);
    EXPECT_EQ(as_text(run(read_stream(**rest)).value()), "uvwxyz");
}

TEST_F(ClientFaults, a_dropped_stream_gives_its_connection_up) {
    const Bytes content = random_bytes(10'000'000, 1);
    const std::string_view large = as_text(content);
    FakeServer server([&](const FakeRequest& request) { return serve_blob(request, large); });
    ClientOptions options = quick_options();
    options.connections_per_host = 1;
    use(options);
    const Repository repository{server.host(), "a"};
    for (int i = 0; i < 3; ++i) {
        auto stream = run(client().open_blob(repository, digest_, 0, soon()));
        ASSERT_TRUE(stream) << message_of(stream);
        Bytes some(10);
        EXPECT_TRUE(run((*stream)->read(MutableByteView(some), soon())));
    }
    EXPECT_EQ(server.connections(), 3U);
}

TEST_F(ClientFaults, finds_a_size_where_head_does_not_work) {
    FakeServer no_head([](const FakeRequest& request) {
        return request.method == "HEAD" ? FakeReply{.bytes = "HTTP/1.1 405 No\r\n\r\n"}
                                        : serve_blob(request);
    });
    EXPECT_EQ(run(client().blob_size({no_head.host(), "a"}, digest_, soon())).value(),
              kBlob.size());
    FakeServer no_length([](const FakeRequest& request) {
        return request.method == "HEAD" ? FakeReply{.bytes = "HTTP/1.1 200 OK\r\n\r\n"}
                                        : reply(200, kBlob);
    });
    EXPECT_EQ(run(client().blob_size({no_length.host(), "a"}, digest_, soon())).value(),
              kBlob.size());
}

TEST_F(ClientFaults, verifies_manifests) {
    FakeServer server([](const FakeRequest& request) {
        return request.target.ends_with("/lies")
                   ? reply(200, "{}",
                           "Docker-Content-Digest: " + codec::sha256(as_bytes("other")).text() +
                               "\r\n")
                   : reply(200, "{}", "Content-Type: application/json ; charset=utf-8\r\n");
    });
    const auto plain = get_manifest(server, "plain");
    ASSERT_TRUE(plain) << message_of(plain);
    EXPECT_EQ(plain->digest, codec::sha256(as_bytes("{}")));
    EXPECT_EQ(plain->media_type, "application/json");
    EXPECT_TRUE(get_manifest(server, plain->digest.text()));
    EXPECT_EQ(code_of(get_manifest(server, digest_.text())), std::errc::bad_message);
    EXPECT_EQ(code_of(get_manifest(server, "lies")), std::errc::bad_message);
}

TEST_F(ClientFaults, limits_manifests) {
    FakeServer server([](const FakeRequest& request) {
        return reply(200, std::string(kManifestBytesMax + request.target.ends_with("/over"), 'x'));
    });
    EXPECT_TRUE(get_manifest(server, "just"));
    EXPECT_EQ(code_of(get_manifest(server, "over")), std::errc::argument_out_of_domain);
}

TEST_F(ClientFaults, accepts_all_manifest_types) {
    FakeServer server([](const FakeRequest&) { return reply(200, "{}"); });
    ASSERT_TRUE(get_manifest(server, "latest"));
    const std::string accept = server.requests().at(0).field("accept");
    for (const std::string_view type :
         {"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
          "application/vnd.docker.distribution.manifest.list.v2+json",
          "application/vnd.docker.distribution.manifest.v2+json"}) {
        EXPECT_NE(accept.find(type), std::string::npos) << type;
    }
}

}  // namespace
}  // namespace lazybuild::registry
