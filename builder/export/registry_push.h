// SPDX-License-Identifier: Apache-2.0
// Blobs from the store into one repository of a registry, by the cheapest way there is: it has
// them, it takes them from another of its repositories, they are files here, or they stream through
// from where they are.
//
// Source: OCI distribution-spec v1.1, "Pushing Blobs", "Mounting a blob from another repository".
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/export/documents.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::exporter {

/// A client for a registry that has no certificate which anybody trusts, or speaks plain HTTP
/// (registry.insecure=true): found out by asking for an image in `repository`. TLS comes first.
/// Lives as long as the session. Not on the reactor's thread.
registry::Client& insecure_client(image::Session& session, const registry::Repository& repository);

/// From now on the session's client reaches `repository` in that way, for whatever is read or
/// written there. Not on the reactor's thread.
void trust_repository(image::Session& session, const registry::Repository& repository);

/// How a blob came to be in the repository.
enum class PushWay : std::uint8_t { present, mounted, sent };

/// Threads: any but the reactor's, several at once.
class RegistryPush {
  public:
    /// `client` outlives it.
    RegistryPush(layers::LayerStore& store, image::Session& session, registry::Client& client,
                 registry::Repository repository)
        : store_(store), session_(session), client_(client), repository_(std::move(repository)) {}

    const registry::Repository& repository() const { return repository_; }

    /// Afterwards the repository is one of the blob's origins. Errors: naming blob and repository.
    Result<PushWay> push(const codec::Descriptor& blob);
    /// The same when no byte has to be sent for it; nullopt: one would have to be.
    Result<std::optional<PushWay>> take(const codec::Descriptor& blob);
    /// What is no file of the store: a config. Errors: as push().
    Result<void> push_bytes(const NamedDocument& blob);
    /// A manifest or an index, under `tag` or (for "") its digest. Errors: as push().
    Result<void> put(const NamedDocument& document, const std::string& tag);

    /// Whether the repository has it.
    Result<bool> has(const codec::Descriptor& blob);

    /// Of all blobs that the registry did not have.
    std::uint64_t sent_bytes() const { return sent_bytes_; }

  private:
    Result<std::optional<PushWay>> take(const codec::Descriptor& blob,
                                        const std::vector<store::Origin>& origins);
    Result<void> remember(const codec::Descriptor& blob, const std::vector<store::Origin>& origins);
    Result<bool> mount(const codec::Descriptor& blob, const std::vector<store::Origin>& origins);
    /// What take() has not found.
    Result<void> send(const codec::Descriptor& blob, const std::vector<store::Origin>& origins);

    layers::LayerStore& store_;
    image::Session& session_;
    registry::Client& client_;
    const registry::Repository repository_;
    std::atomic<std::uint64_t> sent_bytes_ = 0;
};

}  // namespace lazybuild::exporter
