// SPDX-License-Identifier: Apache-2.0
// The one place where an Error becomes what containerd is told.
#pragma once

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace lazybuild::service {

/// containerd acts on ALREADY_EXISTS, NOT_FOUND, FAILED_PRECONDITION, INVALID_ARGUMENT, UNAVAILABLE
/// and UNIMPLEMENTED; everything else is only shown.
grpc::Status to_grpc_status(const Error& error);

template <class T>
grpc::Status to_grpc_status(const Result<T>& result) {
    return result ? grpc::Status::OK : to_grpc_status(result.error());
}

}  // namespace lazybuild::service
