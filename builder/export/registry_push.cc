// SPDX-License-Identifier: Apache-2.0
#include "builder/export/registry_push.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/file.h"
#include "builder/export/store_source.h"
#include "builder/image/open_image.h"
#include "builder/image/registry_image.h"
#include "builder/image/spool_file.h"

namespace lazybuild::exporter {
namespace {

io::Task<Result<void>> push_file(registry::Client& client, registry::Repository repository,
                                 codec::Digest blob, int file, io::Wait wait) {
    const FdAccess access = co_await io::or_return(FdAccess::open(file));
    co_return co_await client.push_blob(repository, blob, access, std::move(wait),
                                        registry::Asked::has_not);
}

// Through a file: what is not in a registry cannot be streamed into one.
io::Task<Result<void>> push_through_file(image::Session& session, registry::Client& client,
                                         image::ImageSource& source,
                                         registry::Repository repository, codec::Descriptor blob) {
    const image::SpoolFile spool =
        co_await io::or_return(image::SpoolFile::create(session.temporary_directory()));
    FdSink sink{spool.fd()};
    co_await io::or_return(
        co_await image::stream_blob(session, source, blob, sink, session.wait()));
    co_return co_await push_file(client, std::move(repository), blob.digest, spool.fd(),
                                 session.wait());
}

io::Task<Result<void>> push_memory(registry::Client& client, registry::Repository repository,
                                   codec::Digest blob, const Bytes& bytes, io::Wait wait) {
    const MemoryAccess access{bytes};
    co_return co_await client.push_blob(std::move(repository), blob, access, std::move(wait));
}

}  // namespace

registry::Client& insecure_client(image::Session& session, const registry::Repository& repository) {
    registry::ClientOptions options = session.registry_options();
    options.tls_verify = false;
    const auto answers = [&](bool plain_http) {
        registry::ClientOptions once = options;
        once.plain_http = plain_http;
        once.attempts_max = 1;
        registry::Client& client = session.add_client(std::move(once));
        return session.wait_for(client.manifest_digest(repository, "latest", session.wait()))
            .has_value();
    };
    options.plain_http = options.plain_http || (!answers(false) && answers(true));
    return session.add_client(std::move(options));
}

void trust_repository(image::Session& session, const registry::Repository& repository) {
    session.client().hand_over(repository, insecure_client(session, repository));
}

Result<bool> RegistryPush::has(const codec::Descriptor& blob) {
    TRY(const auto size_bytes,
        session_.wait_for(client_.blob_size(repository_, blob.digest, session_.wait())));
    return size_bytes.has_value();
}

Result<bool> RegistryPush::mount(const codec::Descriptor& blob,
                                 const std::vector<store::Origin>& origins) {
    for (const store::Origin& origin : origins) {
        const bool same_registry = origin.kind == store::Origin::Kind::registry &&
                                   origin.host == repository_.host &&
                                   origin.path != repository_.name;
        if (!same_registry) {
            continue;
        }
        TRY(const bool mounted, session_.wait_for(client_.mount_blob(
                                    repository_, blob.digest, origin.path, session_.wait())));
        if (mounted) {
            return true;
        }
    }
    return false;
}

Result<void> RegistryPush::send(const codec::Descriptor& blob,
                                const std::vector<store::Origin>& origins) {
    if (const auto path = store_.blob_path(blob.digest)) {
        TRY(const Fd file, open_file(*path, O_RDONLY));
        return session_.wait_for(
            push_file(client_, repository_, blob.digest, file.get(), session_.wait()));
    }
    Result<void> sent = fail(Error{.code = std::errc::no_such_file_or_directory,
                                   .message = "no place is known where it is"});
    for (const store::Origin& origin : origins) {
        if (origin.kind == store::Origin::Kind::registry) {
            registry::Repository from{.host = origin.host, .name = origin.path};
            registry::Client& reader = from.host == repository_.host ? client_ : session_.client();
            sent = session_.wait_for(client_.copy_blob(repository_, blob.digest, blob.size_bytes,
                                                       reader, std::move(from), session_.wait(),
                                                       registry::Asked::has_not));
        } else {
            auto source = image::origin_source(origin, session_);
            sent = source ? session_.wait_for(
                                push_through_file(session_, client_, **source, repository_, blob))
                          : Result<void>{fail(std::move(source).error())};
        }
        if (sent || sent.error().code == std::errc::operation_canceled) {
            return sent;
        }
    }
    return sent;
}

Result<std::optional<PushWay>> RegistryPush::take(const codec::Descriptor& blob,
                                                  const std::vector<store::Origin>& origins) {
    TRY(const bool there, has(blob));
    if (there) {
        return PushWay::present;
    }
    TRY(const bool mounted, mount(blob, origins));
    return mounted ? std::optional{PushWay::mounted} : std::nullopt;
}

// The repository is a place where the blob is, from now on.
Result<void> RegistryPush::remember(const codec::Descriptor& blob,
                                    const std::vector<store::Origin>& origins) {
    const store::Origin here{
        .kind = store::Origin::Kind::registry, .host = repository_.host, .path = repository_.name};
    const bool known = std::ranges::find(origins, here) != origins.end();
    return known ? Result<void>{} : store_.add_origin(blob.digest, here);
}

Result<std::optional<PushWay>> RegistryPush::take(const codec::Descriptor& blob) {
    TRY(const std::vector<store::Origin> origins, store_.origins(blob.digest));
    auto taken = take(blob, origins);
    if (!taken) {
        return fail(std::move(taken).error().context(
            fmt::format("look for {} in {}", blob.digest.text(), repository_.text())));
    }
    if (*taken) {
        CHECK_OK(remember(blob, origins));
    }
    return taken;
}

Result<PushWay> RegistryPush::push(const codec::Descriptor& blob) {
    TRY(const std::vector<store::Origin> origins, store_.origins(blob.digest));
    auto attempt = [&]() -> Result<PushWay> {
        TRY(const std::optional<PushWay> taken, take(blob, origins));
        if (taken) {
            return *taken;
        }
        CHECK_OK(send(blob, origins));
        sent_bytes_ += blob.size_bytes;
        return PushWay::sent;
    };
    auto pushed = attempt();
    if (!pushed) {
        return fail(std::move(pushed).error().context(
            fmt::format("push {} to {}", blob.digest.text(), repository_.text())));
    }
    CHECK_OK(remember(blob, origins));
    return pushed;
}

Result<void> RegistryPush::push_bytes(const NamedDocument& blob) {
    return session_.wait_for(
        push_memory(client_, repository_, blob.descriptor.digest, blob.bytes, session_.wait()));
}

Result<void> RegistryPush::put(const NamedDocument& document, const std::string& tag) {
    const std::string name = tag.empty() ? document.descriptor.digest.text() : tag;
    return session_.wait_for(client_.put_manifest(repository_, name, document.descriptor.media_type,
                                                  document.bytes, session_.wait()));
}

}  // namespace lazybuild::exporter
