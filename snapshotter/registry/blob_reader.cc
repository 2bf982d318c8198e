// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/blob_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "snapshotter/registry/text.h"

namespace lazybuild::registry {

// A response whose next byte is the range's first.
struct BlobReader::Opened {
    Response response;
    std::optional<std::uint64_t> blob_size_bytes;
};

namespace {

constexpr std::size_t kReadBytes = 64 << 10;

std::string range_field(std::uint64_t offset_bytes, std::optional<std::uint64_t> size_bytes) {
    if (!size_bytes) {
        return fmt::format("bytes={}-", offset_bytes);
    }
    return fmt::format("bytes={}-{}", offset_bytes, offset_bytes + *size_bytes - 1);
}

Error not_the_range(const Response& response, std::string_view why) {
    return corrupt(fmt::format("{}: {}", response.url().redacted(), why));
}

// What the Content-Range of a 206 must say. Returns the blob's size, if told.
Result<std::optional<std::uint64_t>> check_partial(const Response& response,
                                                   std::uint64_t offset_bytes,
                                                   std::optional<std::uint64_t> size_bytes) {
    const auto field = response.head().field("Content-Range");
    const auto range = field ? parse_content_range(*field) : std::nullopt;
    if (!range) {
        return fail(not_the_range(response, "206 without a Content-Range that we understand"));
    }
    const bool starts_right = range->first_byte == offset_bytes;
    const bool too_long = size_bytes && range->last_byte - range->first_byte >= *size_bytes;
    if (!starts_right || too_long) {
        return fail(not_the_range(response, "the registry sent another range than was asked for"));
    }
    const std::uint64_t sent_bytes = range->last_byte - range->first_byte + 1;
    if (size_bytes && sent_bytes < *size_bytes) {
        const std::uint64_t end = range->last_byte + 1;
        if (range->total_bytes.value_or(end) == end) {
            return fail(invalid(
                fmt::format("{}: the blob ends at byte {}", response.url().redacted(), end)));
        }
        return fail(not_the_range(response, "the registry sent less than was asked for"));
    }
    return range->total_bytes;
}

bool is_encoded(const ResponseHead& head) {
    const auto encoding = head.field("Content-Encoding");
    return encoding && !encoding->empty() && !equal_ignoring_case(*encoding, "identity");
}

class HttpBlobStream final : public BlobStream {
  public:
    HttpBlobStream(Response response, std::uint64_t offset_bytes,
                   std::optional<std::uint64_t> blob_size_bytes)
        : response_(std::move(response)),
          offset_bytes_(offset_bytes),
          blob_size_bytes_(blob_size_bytes) {}

    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) override {
        if (failed_) {
            co_return fail(Error{std::errc::connection_reset, "the stream has failed before"});
        }
        Result<std::size_t> size = co_await response_.read(out, std::move(wait));
        if (!size) {
            failed_ = true;
            co_return fail(std::move(size).error().context(response_.url().redacted()));
        }
        offset_bytes_ += *size;
        const bool ends_early = *size == 0 && blob_size_bytes_ && offset_bytes_ < *blob_size_bytes_;
        if (ends_early) {
            failed_ = true;
            co_return fail(
                Error{std::errc::connection_reset,
                      fmt::format("{}: the blob ended at byte {} of {}", response_.url().redacted(),
                                  offset_bytes_, *blob_size_bytes_)});
        }
        co_return size;
    }
    std::uint64_t offset_bytes() const override { return offset_bytes_; }
    std::optional<std::uint64_t> blob_size_bytes() const override { return blob_size_bytes_; }

  private:
    Response response_;
    std::uint64_t offset_bytes_;
    const std::optional<std::uint64_t> blob_size_bytes_;
    bool failed_ = false;
};

// Reads and drops `size_bytes` of the body.
io::Task<Result<void>> skip(Response& response, std::uint64_t size_bytes, io::Wait wait) {
    Bytes dropped(kReadBytes);
    while (size_bytes > 0) {
        const MutableByteView room =
            MutableByteView(dropped).first(std::min<std::uint64_t>(size_bytes, dropped.size()));
        const std::size_t size = co_await io::or_return(co_await response.read(room, wait));
        if (size == 0) {
            co_return fail(invalid(
                fmt::format("{}: the blob ends before the range", response.url().redacted())));
        }
        size_bytes -= size;
    }
    co_return Result<void>{};
}

}  // namespace

const Url* BlobReader::redirect_of(const std::string& key) {
    const auto found = redirects_.find(key);
    if (found == redirects_.end()) {
        return nullptr;
    }
    if (found->second.until <= io::Clock::now()) {
        redirects_.erase(found);
        return nullptr;
    }
    return &found->second.url;
}

void BlobReader::remember(const std::string& key, const Url& url) {
    if (redirects_.size() >= kRedirectsKeptMax) {
        const io::Deadline now = io::Clock::now();
        std::erase_if(redirects_, [now](const auto& item) { return item.second.until <= now; });
    }
    if (redirects_.size() < kRedirectsKeptMax) {
        redirects_[key] = {url, io::deadline_in(requester_.options().redirect_ttl)};
    }
}

io::Task<Result<Response>> BlobReader::request_range(Repository repository, codec::Digest blob,
                                                     Range range, Retries& retries, io::Wait wait) {
    const std::string key = repository.text() + "@" + blob.text();
    Request request;
    request.fields = {{"Accept-Encoding", "identity"}};
    const bool is_whole = range.offset_bytes == 0 && !range.size_bytes;
    if (!is_whole) {
        request.fields.push_back({"Range", range_field(range.offset_bytes, range.size_bytes)});
    }
    if (const Url* remembered = redirect_of(key)) {
        request.url = *remembered;
        Result<Response> response = co_await requester_.transport().follow(request, wait);
        const bool is_answer = response && (response->status() == 200 ||
                                            response->status() == 206 || response->status() == 416);
        if (is_answer) {
            co_return response;
        }
        // Expired, most likely: the registry gives a new one.
        redirects_.erase(key);
        if (response) {
            co_await response->discard(wait);
        }
    }
    request.url = co_await io::or_return(requester_.url(repository, "blobs/" + blob.text()));
    const Url asked = request.url;
    Response response = co_await io::or_return(
        co_await requester_.send(std::move(request), Access::pull(repository), retries, wait));
    const bool was_redirected =
        (response.status() == 200 || response.status() == 206) && response.url() != asked;
    if (was_redirected) {
        remember(key, response.url());
    }
    co_return response;
}

io::Task<Result<BlobReader::Opened>> BlobReader::open_once(Repository repository,
                                                           codec::Digest blob, Range range,
                                                           Retries& retries, io::Wait wait) {
    Response response =
        co_await io::or_return(co_await request_range(repository, blob, range, retries, wait));
    if (response.status() != 200 && response.status() != 206) {
        Error error = co_await requester_.refusal(std::move(response), "GET", repository, wait);
        co_return fail(std::move(error));
    }
    if (is_encoded(response.head())) {
        co_return fail(not_the_range(response, "the blob was encoded on the way"));
    }
    if (response.status() == 206) {
        const std::optional<std::uint64_t> total =
            co_await io::or_return(check_partial(response, range.offset_bytes, range.size_bytes));
        co_return Opened{std::move(response), total};
    }
    const std::optional<std::uint64_t> total = response.head().content_length();
    if (range.offset_bytes > kSkipBytesMax) {
        co_return fail(Error{std::errc::not_supported,
                             fmt::format("{}: the registry does not support range requests",
                                         response.url().redacted())});
    }
    co_await io::or_return(co_await skip(response, range.offset_bytes, wait));
    co_return Opened{std::move(response), total};
}

// `out` grows with what arrives, not with what was asked for; a second attempt goes on where the
// first one was cut.
io::Task<Result<void>> BlobReader::read_range_once(Repository repository, codec::Digest blob,
                                                   std::uint64_t offset_bytes,
                                                   std::uint64_t size_bytes, Bytes& out,
                                                   Retries& retries, io::Wait wait) {
    const Range rest{.offset_bytes = offset_bytes + out.size(),
                     .size_bytes = size_bytes - out.size()};
    Opened opened = co_await io::or_return(
        co_await open_once(std::move(repository), blob, rest, retries, wait));
    while (out.size() < size_bytes) {
        const std::size_t start = out.size();
        out.resize(start + std::min<std::uint64_t>(size_bytes - start, kReadBytes));
        const Result<std::size_t> size =
            co_await opened.response.read(MutableByteView(out).subspan(start), wait);
        out.resize(start + (size ? *size : 0));
        if (!size) {
            co_return fail(size.error().context(opened.response.url().redacted()));
        }
        if (*size == 0) {
            co_return fail(invalid(fmt::format("{}: the blob ends before the range",
                                               opened.response.url().redacted())));
        }
    }
    if (opened.response.status() == 200) {
        co_return Result<void>{};  // the rest of the blob may be large: the connection is closed
    }
    // The end of the framing is still to be seen before the connection can serve others.
    Bytes beyond(1);
    const Result<std::size_t> end = co_await opened.response.read(MutableByteView(beyond), wait);
    if (end && *end > 0) {
        co_return fail(not_the_range(opened.response, "more bytes than its Content-Range says"));
    }
    co_return Result<void>{};
}

io::Task<Result<Bytes>> BlobReader::get_range(Repository repository, codec::Digest blob,
                                              std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                              io::Wait wait) {
    if (size_bytes == 0 || offset_bytes + size_bytes < offset_bytes) {
        co_return fail(invalid("a range of a blob that is empty or has no end"));
    }
    constexpr std::uint64_t kReservedBytesMax = 8 << 20;
    Bytes out;
    out.reserve(std::min(size_bytes, kReservedBytesMax));
    Retries retries = requester_.retries();
    const std::function<io::Task<Result<void>>()> attempt = [&] {
        return read_range_once(repository, blob, offset_bytes, size_bytes, out, retries, wait);
    };
    co_await io::or_return(co_await requester_.repeat(attempt, retries, wait));
    co_return out;
}

io::Task<Result<std::unique_ptr<BlobStream>>> BlobReader::open_stream_once(
    Repository repository, codec::Digest blob, std::uint64_t offset_bytes, Retries& retries,
    io::Wait wait) {
    const Range range{.offset_bytes = offset_bytes, .size_bytes = std::nullopt};
    Opened opened = co_await io::or_return(
        co_await open_once(std::move(repository), blob, range, retries, wait));
    std::unique_ptr<BlobStream> stream = std::make_unique<HttpBlobStream>(
        std::move(opened.response), offset_bytes, opened.blob_size_bytes);
    co_return stream;
}

io::Task<Result<std::unique_ptr<BlobStream>>> BlobReader::open(Repository repository,
                                                               codec::Digest blob,
                                                               std::uint64_t offset_bytes,
                                                               io::Wait wait) {
    Retries retries = requester_.retries();
    const std::function<io::Task<Result<std::unique_ptr<BlobStream>>>()> attempt = [&] {
        return open_stream_once(repository, blob, offset_bytes, retries, wait);
    };
    co_return co_await requester_.repeat(attempt, retries, wait);
}

io::Task<Result<std::optional<std::uint64_t>>> BlobReader::size(Access access, codec::Digest blob,
                                                                io::Wait wait) {
    Retries retries = requester_.retries();
    const std::function<io::Task<Result<std::optional<std::uint64_t>>>()> attempt = [&] {
        return size_once(access, blob, retries, wait);
    };
    co_return co_await requester_.repeat(attempt, retries, wait);
}

io::Task<Result<std::optional<std::uint64_t>>> BlobReader::size_once(Access access,
                                                                     codec::Digest blob,
                                                                     Retries& retries,
                                                                     io::Wait wait) {
    Request request{.method = "HEAD"};
    request.fields = {{"Accept-Encoding", "identity"}};
    request.url = co_await io::or_return(requester_.url(access.repository, "blobs/" + blob.text()));
    const Url asked = request.url;
    Response response =
        co_await io::or_return(co_await requester_.send(std::move(request), access, retries, wait));
    const int status = response.status();
    const std::optional<std::uint64_t> size_bytes = response.head().content_length();
    if (status == 200 && size_bytes && !is_encoded(response.head())) {
        co_return size_bytes;
    }
    const bool is_other_host = response.url().origin != asked.origin;
    if (status == 404 && !is_other_host) {
        co_return std::optional<std::uint64_t>{};
    }
    const bool is_refused = status >= 400 && status != 400 && status != 405 && status != 501;
    if (is_refused && !is_other_host) {
        Error error =
            co_await requester_.refusal(std::move(response), "HEAD", access.repository, wait);
        co_return fail(std::move(error));
    }
    // No HEAD here, no length, or a signed URL that is good for GET only.
    co_await response.discard(wait);
    co_return co_await size_by_range(std::move(access), asked, retries, wait);
}

io::Task<Result<std::optional<std::uint64_t>>> BlobReader::size_by_range(Access access, Url url,
                                                                         Retries& retries,
                                                                         io::Wait wait) {
    Request request{.url = std::move(url)};
    request.fields = {{"Accept-Encoding", "identity"}, {"Range", range_field(0, 1)}};
    Response response =
        co_await io::or_return(co_await requester_.send(std::move(request), access, retries, wait));
    if (response.status() == 404) {
        co_return std::optional<std::uint64_t>{};
    }
    std::optional<std::uint64_t> size_bytes;
    if (response.status() == 206) {
        const auto field = response.head().field("Content-Range");
        const auto range = field ? parse_content_range(*field) : std::nullopt;
        size_bytes = range ? range->total_bytes : std::nullopt;
    } else if (response.status() == 200 && !is_encoded(response.head())) {
        size_bytes = response.head().content_length();
    } else {
        Error error =
            co_await requester_.refusal(std::move(response), "GET", access.repository, wait);
        co_return fail(std::move(error));
    }
    if (!size_bytes) {
        co_return fail(Error{std::errc::not_supported,
                             fmt::format("{}: the registry does not tell the blob's size",
                                         response.url().redacted())});
    }
    co_return size_bytes;
}

}  // namespace lazybuild::registry
