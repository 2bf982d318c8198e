// SPDX-License-Identifier: Apache-2.0
// gRPC calls to containerd: their headers, deadlines and ends, in one place. Internal to
// containerd_client.cc and containerd_content.cc.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/result.h"

namespace lazybuild::cli {

/// `status`, which is not OK, as an Error: "containerd: <what>: <its message>".
Error containerd_error(std::string_view what, const grpc::Status& status);

/// What all calls of one client share. Threads: any.
class ContainerdCalls {
  public:
    ContainerdCalls(std::shared_ptr<grpc::Channel> connection, std::string name_space)
        : channel(std::move(connection)), name_space_(std::move(name_space)) {}

    void use_lease(std::string lease);
    void interrupt();
    void begin_cleanup();

    const std::shared_ptr<grpc::Channel> channel;

  private:
    friend class ContainerdCall;
    const std::string name_space_;
    std::mutex mutex_;  // guards what follows
    std::string lease_;
    bool interrupted_ = false;
    std::set<grpc::ClientContext*> under_way_;
};

/// One call, from before it begins until its end.
class ContainerdCall {
  public:
    ContainerdCall(ContainerdCalls& calls, std::chrono::seconds patience);
    ContainerdCall(const ContainerdCall&) = delete;
    ContainerdCall& operator=(const ContainerdCall&) = delete;
    ~ContainerdCall();

    grpc::ClientContext* context() { return &context_; }

  private:
    ContainerdCalls& calls_;
    grpc::ClientContext context_;
};

}  // namespace lazybuild::cli
