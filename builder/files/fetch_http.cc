// SPDX-License-Identifier: Apache-2.0
// One file from http or https, and a cache of such files: content by its digest, and for each URL
// what the server said about it, so that it can be asked whether that has changed. Redirects go to
// http and https only (transport.h).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <ctime>
#include <utility>

#include "base/file.h"
#include "builder/files/context.h"
#include "builder/files/fetched.h"
#include "builder/files/planned_tree.h"
#include "builder/image/spool_file.h"
#include "codec/sha256.h"
#include "snapshotter/registry/failure.h"
#include "snapshotter/registry/transport.h"

namespace lazybuild::files {
namespace {

constexpr std::uint64_t kFileBytesMax = std::uint64_t{64} << 30;
constexpr std::uint64_t kFactsBytesMax = 16 << 10;
constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::uint32_t kMode = 0600;
constexpr int kNotModified = 304;

/// What is known about a URL.
struct Facts {
    codec::Digest digest;
    std::int64_t mtime_s = 0;  ///< Last-Modified; 0 for none
    std::string etag;
    std::string last_modified;  ///< as the server said it
};

std::string facts_text(const Facts& facts) {
    return fmt::format("{}\n{}\n{}\n{}\n", facts.digest.text(), facts.mtime_s, facts.etag,
                       facts.last_modified);
}

// nullopt for what is not there, or not ours: then the file is fetched.
std::optional<Facts> read_facts(const std::string& path) {
    const auto text = read_file(path, kFactsBytesMax);
    if (!text) {
        return std::nullopt;
    }
    std::vector<std::string> lines;
    for (std::string_view rest = *text; !rest.empty();) {
        const std::size_t end = rest.find('\n');
        lines.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    constexpr std::size_t kLines = 4;
    const auto digest = lines.size() == kLines ? codec::Digest::parse(lines[0])
                                               : Result<codec::Digest>{fail(corrupt(""))};
    if (!digest) {
        return std::nullopt;
    }
    Facts facts{.digest = *digest, .etag = lines[2], .last_modified = lines[3]};
    std::from_chars(lines[1].data(), lines[1].data() + lines[1].size(), facts.mtime_s);
    return facts;
}

// RFC 9110, "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT".
std::int64_t http_time(const std::string& text) {
    std::tm parts{};
    const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return end != nullptr && *end == '\0' ? ::timegm(&parts) : 0;
}

std::string short_field(const registry::ResponseHead& head, std::string_view name) {
    constexpr std::size_t kFieldBytesMax = 1024;
    const std::string value{head.field(name).value_or("")};
    const bool plain = value.size() <= kFieldBytesMax &&
                       value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos;
    return plain ? value : std::string{};
}

/// What one request brought.
struct Answer {
    bool modified = true;
    bool try_again = false;
    Error failure;  ///< with try_again
    Facts facts;
};

class Download {
  public:
    Download(image::Session& session, registry::Url url, std::string authorization,
             std::optional<Facts> known, int file)
        : session_(session),
          url_(std::move(url)),
          authorization_(std::move(authorization)),
          known_(std::move(known)),
          file_(file) {}

    io::Task<Result<Answer>> run();

  private:
    io::Task<Result<Answer>> try_once(registry::Transport& transport, registry::Retries& retries);
    io::Task<Result<codec::Digest>> receive(registry::Response& response);

    image::Session& session_;
    const registry::Url url_;
    const std::string authorization_;
    const std::optional<Facts> known_;
    const int file_;
};

io::Task<Result<Answer>> Download::run() {
    registry::TransportOptions options;
    options.user_agent = "lazybuild";
    registry::Transport transport(session_.reactor(), session_.pool(), std::move(options));
    registry::Retries retries(session_.reactor(), registry::RetryOptions{});
    while (true) {
        Result<Answer> answer = co_await try_once(transport, retries);
        if (!answer && registry::is_passing(answer.error())) {
            answer = Answer{.try_again = true, .failure = answer.error()};
        }
        if (!answer || !answer->try_again) {
            co_return answer;
        }
        const bool again = co_await io::or_return(co_await retries.pause(session_.wait()));
        if (!again) {
            co_return fail(std::move(answer->failure));
        }
    }
}

io::Task<Result<Answer>> Download::try_once(registry::Transport& transport,
                                            registry::Retries& retries) {
    registry::Request request;
    request.url = url_;
    request.authorization = authorization_;  // dropped by redirects to other origins
    if (known_ && !known_->etag.empty()) {
        request.fields.push_back({.name = "If-None-Match", .value = known_->etag});
    } else if (known_ && !known_->last_modified.empty()) {
        request.fields.push_back({.name = "If-Modified-Since", .value = known_->last_modified});
    }
    registry::Response response =
        co_await io::or_return(co_await transport.follow(std::move(request), session_.wait()));
    const int status = response.status();
    if (status == kNotModified && known_) {
        co_await response.discard(session_.wait());
        Answer same{.modified = false};
        same.facts = *known_;
        co_return same;
    }
    if (status != 200) {
        co_await response.discard(session_.wait());
        Answer refused{.try_again = registry::is_passing_status(status)};
        refused.failure =
            Error{std::errc::protocol_error,
                  fmt::format("{}: invalid response status {}", response.url().redacted(), status)};
        if (!refused.try_again) {
            co_return fail(std::move(refused.failure));
        }
        retries.server_asked(registry::retry_after(response.head()));
        co_return refused;
    }
    Answer answer;
    answer.facts.etag = short_field(response.head(), "ETag");
    answer.facts.last_modified = short_field(response.head(), "Last-Modified");
    answer.facts.mtime_s = http_time(answer.facts.last_modified);
    answer.facts.digest = co_await io::or_return(co_await receive(response));
    co_return answer;
}

io::Task<Result<codec::Digest>> Download::receive(registry::Response& response) {
    codec::Sha256 hash;
    Bytes piece(kPieceBytes);
    std::uint64_t offset_bytes = 0;
    while (true) {
        const std::size_t count =
            co_await io::or_return(co_await response.read(piece, session_.wait()));
        if (count == 0) {
            break;
        }
        if (offset_bytes + count > kFileBytesMax) {
            co_return fail(
                over_limit(fmt::format("{}: more than {} bytes", url_.redacted(), kFileBytesMax)));
        }
        const ByteView bytes = ByteView(piece).first(count);
        auto keep = [&hash, bytes, offset_bytes, file = file_]() -> Result<void> {
            hash.update(bytes);
            return pwrite_all(file, bytes, offset_bytes);
        };
        co_await io::or_return(
            co_await io::run_on(session_.pool(), session_.reactor(), std::move(keep)));
        offset_bytes += count;
    }
    if (::ftruncate(file_, static_cast<off_t>(offset_bytes)) != 0) {
        co_return fail(errno_error("ftruncate"));  // of a longer answer that broke off
    }
    co_return hash.finish();
}

Result<void> check(const graph::HttpStep& step) {
    const bool name_is_one =
        !step.file_name.empty() && step.file_name != "." && step.file_name != ".." &&
        step.file_name.find_first_of(std::string_view{"/\0", 2}) == std::string::npos &&
        step.file_name.size() <= codec::kNameBytesMax;
    if (!name_is_one) {
        return fail(invalid(
            fmt::format("{}: \"{}\" cannot be the name of a file", step.url, step.file_name)));
    }
    if (!step.checksum.empty()) {
        CHECK_OK(codec::Digest::parse(step.checksum));
    }
    return {};
}

Result<void> check_digest(const graph::HttpStep& step, const codec::Digest& found) {
    if (!step.checksum.empty() && found.text() != step.checksum) {
        return fail(corrupt(fmt::format("digest mismatch for {}: {} (expected: {})", step.url,
                                        found.text(), step.checksum)));
    }
    return {};
}

// A directory with one file in it.
Result<RemoteFiles> one_file(const graph::HttpStep& step, const Facts& facts,
                             const std::string& path) {
    TRY(Fd file, open_file(path, O_RDONLY));
    note_fetched_use(path);
    TRY(const FdAccess access, FdAccess::open(file.get()));
    layers::FileInfo info{.mode = kMode,
                          .mtime_s = facts.mtime_s,
                          .size_bytes = access.size_bytes(),
                          .link_target = {},
                          .xattrs = {}};
    Payload payload{.path = {},
                    .spool = std::make_shared<const Fd>(std::move(file)),
                    .text = {},
                    .digest = facts.digest};
    auto tree = std::make_unique<PlannedTree>(nullptr);
    CHECK_OK(tree->put(step.file_name, std::move(info), std::move(payload)));
    RemoteFiles remote{.identity = fmt::format("{} name={} mode={:o} mtime={}", facts.digest.text(),
                                               step.file_name, kMode, facts.mtime_s),
                       .files = std::move(tree)};
    if (facts.mtime_s != 0) {
        remote.time_s = facts.mtime_s;
    }
    return remote;
}

}  // namespace

Result<RemoteFiles> fetch_http(const graph::HttpStep& step, const std::string& cache_directory,
                               image::Session& session, const SecretReader& secrets) {
    CHECK_OK(check(step));
    TRY(registry::Url url, registry::parse_url(step.url));
    CHECK_OK(make_directories(cache_directory));
    const std::string facts_path =
        cache_directory + "/url-" + codec::sha256(as_bytes(url.text())).hex();
    const auto content_path = [&](const Facts& facts) {
        return cache_directory + "/" + facts.digest.hex();
    };
    std::optional<Facts> known = read_facts(facts_path);
    if (known && ::access(content_path(*known).c_str(), R_OK) != 0) {
        known.reset();
    }
    if (known && known->digest.text() == step.checksum) {
        return one_file(step, *known, content_path(*known));  // nobody has to be asked
    }
    TRY(image::SpoolFile file, image::SpoolFile::create(cache_directory));
    TRY(Credential credential, http_credential(secrets, url));
    Download download{session, std::move(url), std::move(credential.authorization),
                      std::move(known), file.fd()};
    TRY(const Answer answer, session.wait_for(download.run()));
    CHECK_OK(check_digest(step, answer.facts.digest));
    if (answer.modified) {
        CHECK_OK(file.publish(content_path(answer.facts)));
        CHECK_OK(replace_file(facts_path, as_bytes(facts_text(answer.facts))));
    }
    return one_file(step, answer.facts, content_path(answer.facts));
}

}  // namespace lazybuild::files
