// SPDX-License-Identifier: Apache-2.0
// containerd, as a client that pulls sees it: leases, content, snapshots, diffs and images of one
// namespace. Works with containerd 1.6 and later; the only files that know gRPC here are
// containerd_client.cc, containerd_call.h and containerd_content.cc.
//
// All calls block and have deadlines. Threads: any, several at once.
//
// Errors: no_such_file_or_directory, file_exists, timed_out, operation_canceled,
// permission_denied, invalid_argument, not_supported, connection_refused (containerd is not there)
// as their gRPC codes say, else io_error. Messages name the call.
//
// Source: containerd api/services/{content,diff,images,leases,snapshots}/v1.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cli {

struct ContainerdMount {
    std::string type;
    std::string source;
    std::string target;
    std::vector<std::string> options;
};

/// A blob on its way into the content store. write() in order, then commit(); destroyed before,
/// what was written is left to containerd, which discards it.
class ContentIngest : public ByteSink {
  public:
    /// The store has the blob: nothing to write, and commit() is not called. The lease holds it.
    virtual bool exists() const = 0;
    /// Another namespace has the blob: nothing to write, commit() makes it ours too.
    virtual bool complete() const = 0;
    /// containerd verifies size and digest.
    virtual Result<void> commit(const codec::StringMap& labels) = 0;
};

/// What containerd answered to Prepare.
struct PreparedSnapshot {
    bool exists = false;  ///< ALREADY_EXISTS: the snapshotter has the layer, or says so
    std::vector<ContainerdMount> mounts;
};

class ContainerdCalls;

class ContainerdClient {
  public:
    /// Connects and asks for the version. Errors: connection_refused, saying what to look at.
    static Result<std::unique_ptr<ContainerdClient>> connect(const std::string& socket,
                                                             const std::string& name_space);
    ~ContainerdClient();
    ContainerdClient(const ContainerdClient&) = delete;
    ContainerdClient& operator=(const ContainerdClient&) = delete;

    const std::string& version() const { return version_; }

    /// Ends calls under way and refuses new ones with operation_canceled, until begin_cleanup().
    void interrupt();
    void begin_cleanup();

    /// From then on, what this client makes or touches is kept by the lease, which expires by
    /// itself a day later if nobody deletes it.
    Result<void> create_lease(const std::string& id);
    Result<void> delete_lease(const std::string& id);
    /// Has the lease keep a snapshot, whether it is there already or not.
    Result<void> lease_snapshot(const std::string& lease, const std::string& snapshotter,
                                const std::string& name);

    Result<std::unique_ptr<ContentIngest>> open_ingest(const std::string& ref,
                                                       const codec::Descriptor& blob);
    /// nullopt: the store does not have it.
    Result<std::optional<codec::StringMap>> content_labels(const codec::Digest& blob);
    /// Sets these labels and leaves others alone.
    Result<void> set_content_labels(const codec::Digest& blob, const codec::StringMap& labels);

    Result<PreparedSnapshot> prepare_snapshot(const std::string& snapshotter,
                                              const std::string& key, const std::string& parent,
                                              const codec::StringMap& labels);
    /// Whether there is a committed snapshot of this name.
    Result<bool> has_snapshot(const std::string& snapshotter, const std::string& name);
    Result<void> commit_snapshot(const std::string& snapshotter, const std::string& name,
                                 const std::string& key, const codec::StringMap& labels);
    /// One that is not there is fine.
    Result<void> remove_snapshot(const std::string& snapshotter, const std::string& key);

    /// Unpacks a layer that the content store has onto `mounts`. The digest of its tar.
    Result<codec::Digest> apply_diff(const codec::Descriptor& layer,
                                     const std::vector<ContainerdMount>& mounts);

    /// Makes the record, or points the one there is to `target`.
    Result<void> put_image(const std::string& name, const codec::Descriptor& target);

  private:
    explicit ContainerdClient(std::unique_ptr<ContainerdCalls> calls);

    std::unique_ptr<ContainerdCalls> calls_;
    std::string version_;
};

}  // namespace lazybuild::cli
