// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "codec/sha256.h"
#include "snapshotter/registry/blob_reader.h"
#include "snapshotter/registry/requester.h"
#include "snapshotter/registry/uploader.h"

namespace lazybuild::registry {
namespace {

// What a registry may answer with. Docker's schema 1 is not among them: it is converted from, by
// registries, when a client does not say that it knows better.
constexpr std::string_view kManifestTypes =
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

// What goes into the path of a manifest request.
Result<void> check_manifest_name(const std::string& tag_or_digest) {
    if (!is_valid_tag(tag_or_digest) && !codec::Digest::parse(tag_or_digest)) {
        return fail(
            invalid(fmt::format("\"{}\" is neither a tag nor a sha256 digest", tag_or_digest)));
    }
    return {};
}

std::string media_type(const ResponseHead& head) {
    const std::string_view field = head.field("Content-Type").value_or("");
    const std::string_view type = field.substr(0, field.find(';'));
    return std::string(type.substr(0, type.find_last_not_of(" \t") + 1));
}

Error wrong_digest(const std::string& reference, const codec::Digest& got,
                   const std::string& expected) {
    return corrupt(
        fmt::format("manifest {}: the content is {}, not {}", reference, got.text(), expected));
}

}  // namespace

class Client::Implementation {
  public:
    Implementation(io::Reactor& reactor, io::Pool& pool, ClientOptions options)
        : requester(reactor, pool, std::move(options)),
          reader(requester),
          uploader(requester, reader) {}

    io::Task<Result<Response>> ask_manifest(std::string method, Repository repository,
                                            std::string tag_or_digest, Retries& retries,
                                            io::Wait wait);
    io::Task<Result<Document>> get_manifest_once(Repository repository, std::string tag_or_digest,
                                                 Retries& retries, io::Wait wait);
    io::Task<Result<std::optional<codec::Digest>>> digest_once(Repository repository,
                                                               std::string tag_or_digest,
                                                               Retries& retries, io::Wait wait);
    io::Task<Result<void>> put_manifest_once(Repository repository, std::string tag_or_digest,
                                             Request request, codec::Digest digest,
                                             Retries& retries, io::Wait wait);

    Requester requester;
    BlobReader reader;
    Uploader uploader;
    std::mutex mutex;  // guards others
    std::map<Repository, Client*> others;
};

Client::Client(io::Reactor& reactor, io::Pool& pool, ClientOptions options)
    : implementation_(std::make_unique<Implementation>(reactor, pool, std::move(options))) {}

Client::~Client() = default;

void Client::hand_over(const Repository& repository, Client& other) {
    const std::lock_guard lock(implementation_->mutex);
    implementation_->others.try_emplace(repository, &other);
}

Client::Implementation& Client::of(const Repository& repository) {
    const std::lock_guard lock(implementation_->mutex);
    const auto other = implementation_->others.find(repository);
    return other == implementation_->others.end() ? *implementation_
                                                  : *other->second->implementation_;
}

io::Task<Result<Response>> Client::Implementation::ask_manifest(std::string method,
                                                                Repository repository,
                                                                std::string tag_or_digest,
                                                                Retries& retries, io::Wait wait) {
    Request request{.method = std::move(method)};
    request.fields = {{"Accept", std::string(kManifestTypes)}, {"Accept-Encoding", "identity"}};
    request.url = co_await io::or_return(requester.url(repository, "manifests/" + tag_or_digest));
    co_return co_await requester.send(std::move(request), Access::pull(repository), retries, wait);
}

io::Task<Result<Document>> Client::Implementation::get_manifest_once(Repository repository,
                                                                     std::string tag_or_digest,
                                                                     Retries& retries,
                                                                     io::Wait wait) {
    Response response = co_await io::or_return(
        co_await ask_manifest("GET", repository, tag_or_digest, retries, wait));
    if (response.status() != 200) {
        Error error = co_await requester.refusal(std::move(response), "GET", repository, wait);
        co_return fail(std::move(error));
    }
    Document document;
    document.bytes =
        co_await io::or_return(co_await response.read_all(kManifestBytesMax, std::move(wait)));
    document.media_type = media_type(response.head());
    document.digest = codec::sha256(document.bytes);
    const auto asked = codec::Digest::parse(tag_or_digest);
    if (asked && *asked != document.digest) {
        co_return fail(wrong_digest(repository.text() + "@" + tag_or_digest, document.digest,
                                    "what was asked for"));
    }
    co_await io::or_return(check_content_digest(response, document.digest));
    co_return document;
}

io::Task<Result<Document>> Client::get_manifest(Repository repository, std::string tag_or_digest,
                                                io::Wait wait) {
    co_await io::or_return(check_manifest_name(tag_or_digest));
    Implementation& self = of(repository);
    Retries retries = self.requester.retries();
    const std::function<io::Task<Result<Document>>()> attempt = [&] {
        return self.get_manifest_once(repository, tag_or_digest, retries, wait);
    };
    co_return co_await self.requester.repeat(attempt, retries, wait);
}

io::Task<Result<std::optional<codec::Digest>>> Client::Implementation::digest_once(
    Repository repository, std::string tag_or_digest, Retries& retries, io::Wait wait) {
    Response response = co_await io::or_return(
        co_await ask_manifest("HEAD", repository, tag_or_digest, retries, wait));
    const int status = response.status();
    if (status == 404) {
        co_return std::optional<codec::Digest>{};
    }
    const auto field = response.head().field("Docker-Content-Digest");
    const auto told = field ? codec::Digest::parse(*field) : fail(Error{});
    if (status == 200 && told) {
        co_return std::optional<codec::Digest>{*told};
    }
    const bool has_no_head = status == 200 || status == 405 || status == 501;
    if (!has_no_head) {
        Error error = co_await requester.refusal(std::move(response), "HEAD", repository, wait);
        co_return fail(std::move(error));
    }
    Document document = co_await io::or_return(
        co_await get_manifest_once(std::move(repository), std::move(tag_or_digest), retries, wait));
    co_return std::optional<codec::Digest>{document.digest};
}

io::Task<Result<std::optional<codec::Digest>>> Client::manifest_digest(Repository repository,
                                                                       std::string tag_or_digest,
                                                                       io::Wait wait) {
    co_await io::or_return(check_manifest_name(tag_or_digest));
    Implementation& self = of(repository);
    Retries retries = self.requester.retries();
    const std::function<io::Task<Result<std::optional<codec::Digest>>>()> attempt = [&] {
        return self.digest_once(repository, tag_or_digest, retries, wait);
    };
    co_return co_await self.requester.repeat(attempt, retries, wait);
}

io::Task<Result<void>> Client::Implementation::put_manifest_once(Repository repository,
                                                                 std::string tag_or_digest,
                                                                 Request request,
                                                                 codec::Digest digest,
                                                                 Retries& retries, io::Wait wait) {
    request.url = co_await io::or_return(requester.url(repository, "manifests/" + tag_or_digest));
    Response response = co_await io::or_return(
        co_await requester.send(std::move(request), Access::push(repository), retries, wait));
    const bool is_stored = response.status() >= 200 && response.status() < 300;
    if (!is_stored) {
        Error error = co_await requester.refusal(std::move(response), "PUT", repository, wait);
        co_return fail(std::move(error));
    }
    co_await io::or_return(check_content_digest(response, digest));
    co_await response.discard(wait);
    co_return Result<void>{};
}

io::Task<Result<void>> Client::put_manifest(Repository repository, std::string tag_or_digest,
                                            std::string its_media_type, Bytes bytes,
                                            io::Wait wait) {
    co_await io::or_return(check_manifest_name(tag_or_digest));
    const codec::Digest digest = codec::sha256(bytes);
    const auto asked = codec::Digest::parse(tag_or_digest);
    if (asked && *asked != digest) {
        co_return fail(wrong_digest(repository.text(), digest, tag_or_digest));
    }
    if (bytes.size() > kManifestBytesMax) {
        co_return fail(over_limit(fmt::format("manifest {}: larger than {} bytes",
                                              repository.text(), kManifestBytesMax)));
    }
    Implementation& self = of(repository);
    Request request{.method = "PUT", .body = std::string(as_text(bytes))};
    request.fields = {{"Content-Type", std::move(its_media_type)}};
    Retries retries = self.requester.retries();
    const std::function<io::Task<Result<void>>()> attempt = [&] {
        return self.put_manifest_once(repository, tag_or_digest, request, digest, retries, wait);
    };
    co_return co_await self.requester.repeat(attempt, retries, wait);
}

io::Task<Result<Bytes>> Client::get_range(Repository repository, codec::Digest blob,
                                          std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                          io::Wait wait) {
    Implementation& self = of(repository);
    return self.reader.get_range(std::move(repository), blob, offset_bytes, size_bytes,
                                 std::move(wait));
}

io::Task<Result<std::unique_ptr<BlobStream>>> Client::open_blob(Repository repository,
                                                                codec::Digest blob,
                                                                std::uint64_t offset_bytes,
                                                                io::Wait wait) {
    Implementation& self = of(repository);
    return self.reader.open(std::move(repository), blob, offset_bytes, std::move(wait));
}

io::Task<Result<std::optional<std::uint64_t>>> Client::blob_size(Repository repository,
                                                                 codec::Digest blob,
                                                                 io::Wait wait) {
    Implementation& self = of(repository);
    return self.reader.size(Access::pull(std::move(repository)), blob, std::move(wait));
}

io::Task<Result<bool>> Client::mount_blob(Repository target, codec::Digest blob,
                                          std::string from_name, io::Wait wait) {
    Implementation& self = of(target);
    return self.uploader.mount(std::move(target), blob, std::move(from_name), std::move(wait));
}

io::Task<Result<void>> Client::push_blob(Repository repository, codec::Digest blob,
                                         const RandomAccess& content, io::Wait wait, Asked asked) {
    Implementation& self = of(repository);
    return self.uploader.push(std::move(repository), blob, content, asked, std::move(wait));
}

io::Task<Result<void>> Client::copy_blob(Repository target, codec::Digest blob,
                                         std::uint64_t size_bytes, Client& origin,
                                         Repository origin_repository, io::Wait wait, Asked asked) {
    Uploader::Opener open = [&origin, repository = std::move(origin_repository), blob, wait] {
        return origin.open_blob(repository, blob, 0, wait);
    };
    Implementation& self = of(target);
    return self.uploader.copy(std::move(target), blob, size_bytes, std::move(open), asked,
                              std::move(wait));
}

}  // namespace lazybuild::registry
