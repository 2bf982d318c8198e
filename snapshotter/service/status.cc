// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/status.h"

namespace lazybuild::service {
namespace {

// It travels in a header, percent-encoded, and clients take 8 KiB of headers at the least. What a
// client sent may be quoted in it.
constexpr std::size_t kMessageBytesMax = 2048;

grpc::StatusCode code_of(std::errc condition) {
    switch (condition) {
        case std::errc::file_exists: return grpc::StatusCode::ALREADY_EXISTS;
        case std::errc::no_such_file_or_directory: return grpc::StatusCode::NOT_FOUND;
        case std::errc::operation_not_permitted: return grpc::StatusCode::FAILED_PRECONDITION;
        case std::errc::invalid_argument: return grpc::StatusCode::INVALID_ARGUMENT;
        case std::errc::argument_out_of_domain: return grpc::StatusCode::INVALID_ARGUMENT;
        case std::errc::resource_unavailable_try_again: return grpc::StatusCode::UNAVAILABLE;
        case std::errc::not_supported: return grpc::StatusCode::UNIMPLEMENTED;
        case std::errc::operation_canceled: return grpc::StatusCode::CANCELLED;
        case std::errc::timed_out: return grpc::StatusCode::DEADLINE_EXCEEDED;
        case std::errc::no_space_on_device: return grpc::StatusCode::RESOURCE_EXHAUSTED;
        default: return grpc::StatusCode::INTERNAL;
    }
}

}  // namespace

grpc::Status to_grpc_status(const Error& error) {
    return {code_of(error.code), error.message.substr(0, kMessageBytesMax)};
}

}  // namespace lazybuild::service
