// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/uploader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lazybuild::registry {
namespace {

// For telling a registry that an upload will not come; it forgets sessions by itself anyway.
constexpr std::chrono::seconds kCancelTimeout{5};

// Content that any thread can read, read on the pool so that the reactor never waits for a disk.
class AccessSource final : public BodySource {
  public:
    AccessSource(Requester& requester, const RandomAccess& content)
        : requester_(requester), content_(content) {}
    std::uint64_t size_bytes() const override { return content_.size_bytes(); }

    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait /*wait*/) override {
        const std::uint64_t left = content_.size_bytes() - offset_bytes_;
        const MutableByteView piece = out.first(std::min<std::uint64_t>(out.size(), left));
        if (piece.empty()) {
            co_return std::size_t{0};
        }
        auto job = [this, piece] { return content_.read_at(offset_bytes_, piece); };
        co_await io::or_return(co_await io::run_on(requester_.pool(), requester_.reactor(), job));
        offset_bytes_ += piece.size();
        co_return piece.size();
    }

  private:
    Requester& requester_;
    const RandomAccess& content_;
    std::uint64_t offset_bytes_ = 0;
};

class StreamSource final : public BodySource {
  public:
    StreamSource(BlobStream& stream, std::uint64_t size_bytes)
        : stream_(stream), size_bytes_(size_bytes) {}
    std::uint64_t size_bytes() const override { return size_bytes_; }

    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) override {
        return stream_.read(out, std::move(wait));
    }

  private:
    BlobStream& stream_;
    const std::uint64_t size_bytes_;
};

Result<Url> session_url(const Response& response) {
    const auto location = response.head().field("Location");
    if (!location) {
        return fail(corrupt(
            fmt::format("{}: an upload session without a Location", response.url().redacted())));
    }
    return resolve_url(response.url(), *location);
}

}  // namespace

Result<void> check_content_digest(const Response& response, const codec::Digest& expected) {
    const auto field = response.head().field("Docker-Content-Digest");
    // Other algorithms than sha256 say nothing that could be compared.
    const auto told = field ? codec::Digest::parse(*field) : fail(Error{});
    if (told && *told != expected) {
        return fail(corrupt(fmt::format("{}: the registry says {}, the content is {}",
                                        response.url().redacted(), told->text(), expected.text())));
    }
    return {};
}

io::Task<Result<bool>> Uploader::mount(Repository target, codec::Digest blob, std::string from_name,
                                       io::Wait wait) {
    co_await io::or_return(check_repository({.host = target.host, .name = from_name}));
    Retries retries = requester_.retries();
    const std::function<io::Task<Result<bool>>()> attempt = [&] {
        return mount_once(target, blob, from_name, retries, wait);
    };
    Result<bool> mounted = co_await requester_.repeat(attempt, retries, wait);
    // A token service may refuse the pull scope of the other repository altogether.
    const bool is_refused = !mounted && mounted.error().code == std::errc::permission_denied;
    if (is_refused) {
        co_return false;
    }
    co_return mounted;
}

io::Task<Result<bool>> Uploader::mount_once(Repository target, codec::Digest blob,
                                            std::string from_name, Retries& retries,
                                            io::Wait wait) {
    Request request{.method = "POST"};
    const Url uploads = co_await io::or_return(requester_.url(target, "blobs/uploads/"));
    request.url = uploads.with_query("mount", blob.text()).with_query("from", from_name);
    Response response = co_await io::or_return(co_await requester_.send(
        std::move(request), Access::mount(target, from_name), retries, wait));
    const int status = response.status();
    const Result<Url> session = session_url(response);
    co_await response.discard(wait);
    if (status == 201) {
        co_await io::or_return(check_content_digest(response, blob));
        co_return true;
    }
    if (status == 202 && session) {
        // It began an upload instead. The push will begin its own.
        co_await cancel_session(target, *session, wait);
    }
    co_return false;
}

io::Task<void> Uploader::cancel_session(Repository repository, Url session, io::Wait wait) {
    Request request{.method = "DELETE", .url = std::move(session)};
    Retries retries = requester_.retries();
    Result<Response> response =
        co_await requester_.send(std::move(request), Access::push(repository), retries,
                                 at_most(std::move(wait), kCancelTimeout));
    if (response) {
        co_await response->discard({});
    }
}

io::Task<Result<void>> Uploader::push(Repository repository, codec::Digest blob,
                                      const RandomAccess& content, Asked asked, io::Wait wait) {
    Retries retries = requester_.retries();
    // An attempt that failed may have sent it.
    const std::function<io::Task<Result<void>>()> attempt = [&] {
        return push_once(repository, blob, content, std::exchange(asked, Asked::no), retries, wait);
    };
    co_return co_await requester_.repeat(attempt, retries, wait);
}

io::Task<Result<void>> Uploader::push_once(Repository repository, codec::Digest blob,
                                           const RandomAccess& content, Asked asked,
                                           Retries& retries, io::Wait wait) {
    const bool present = co_await io::or_return(co_await is_there(repository, blob, asked, wait));
    if (present) {
        co_return Result<void>{};
    }
    Url session = co_await io::or_return(co_await begin_session(repository, retries, wait));
    AccessSource source(requester_, content);
    co_return co_await put(std::move(repository), blob, std::move(session), source, retries, wait);
}

io::Task<Result<void>> Uploader::copy(Repository target, codec::Digest blob,
                                      std::uint64_t size_bytes, Opener open, Asked asked,
                                      io::Wait wait) {
    Retries retries = requester_.retries();
    const std::function<io::Task<Result<void>>()> attempt = [&] {
        return copy_once(target, blob, size_bytes, open, std::exchange(asked, Asked::no), retries,
                         wait);
    };
    co_return co_await requester_.repeat(attempt, retries, wait);
}

io::Task<Result<void>> Uploader::copy_once(Repository target, codec::Digest blob,
                                           std::uint64_t size_bytes, const Opener& open,
                                           Asked asked, Retries& retries, io::Wait wait) {
    const bool present = co_await io::or_return(co_await is_there(target, blob, asked, wait));
    if (present) {
        co_return Result<void>{};
    }
    // The session first: while the stream is open it holds a connection, perhaps of this very
    // registry, and nothing but the upload lane may be waited for.
    Url session = co_await io::or_return(co_await begin_session(target, retries, wait));
    const std::unique_ptr<BlobStream> stream = co_await io::or_return(co_await open());
    StreamSource source(*stream, size_bytes);
    co_return co_await put(std::move(target), blob, std::move(session), source, retries, wait);
}

io::Task<Result<bool>> Uploader::is_there(Repository repository, codec::Digest blob, Asked asked,
                                          io::Wait wait) {
    if (asked == Asked::has_not) {
        co_return false;
    }
    const Result<std::optional<std::uint64_t>> size =
        co_await reader_.size(Access::push(repository), blob, wait);
    if (!size) {
        co_return fail(size.error());
    }
    co_return size->has_value();
}

io::Task<Result<Url>> Uploader::begin_session(Repository repository, Retries& retries,
                                              io::Wait wait) {
    Request request{.method = "POST"};
    request.url = co_await io::or_return(requester_.url(repository, "blobs/uploads/"));
    Response response = co_await io::or_return(
        co_await requester_.send(std::move(request), Access::push(repository), retries, wait));
    if (response.status() != 202) {
        Error error =
            co_await requester_.refusal(std::move(response), "POST", std::move(repository), wait);
        co_return fail(std::move(error));
    }
    Result<Url> session = session_url(response);
    co_await response.discard(wait);
    co_return session;
}

io::Task<Result<void>> Uploader::put(Repository repository, codec::Digest blob, Url session,
                                     BodySource& source, Retries& retries, io::Wait wait) {
    Request request{.method = "PUT", .source = &source, .lane = Lane::upload};
    request.url = session.with_query("digest", blob.text());
    request.fields = {{"Content-Type", "application/octet-stream"}};
    Response response = co_await io::or_return(
        co_await requester_.send(std::move(request), Access::push(repository), retries, wait));
    const bool is_stored =
        response.status() == 201 || response.status() == 200 || response.status() == 204;
    if (!is_stored) {
        Error error =
            co_await requester_.refusal(std::move(response), "PUT", std::move(repository), wait);
        co_return fail(std::move(error));
    }
    co_await io::or_return(check_content_digest(response, blob));
    co_await response.discard(wait);
    co_return Result<void>{};
}

}  // namespace lazybuild::registry
