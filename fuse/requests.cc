// SPDX-License-Identifier: Apache-2.0
#include "fuse/requests.h"

#include <fmt/format.h>
#include <linux/fuse.h>

#include <cstring>
#include <optional>

namespace lazybuild::fuse {
namespace {

/// The structure at the beginning of `bytes`; more may follow, because newer kernels append fields.
template <class Structure>
std::optional<Structure> structure_of(ByteView bytes) {
    if (bytes.size() < sizeof(Structure)) {
        return std::nullopt;
    }
    Structure structure;
    std::memcpy(&structure, bytes.data(), sizeof structure);
    return structure;
}

std::optional<RequestBody> decode_init(ByteView arguments) {
    // The fields that protocol 7.5 had; the kernel's structure has grown since.
    constexpr std::size_t kFieldsBytes = 16;
    if (arguments.size() < kFieldsBytes) {
        return std::nullopt;
    }
    InitRequest init{.major = load_le<std::uint32_t>(arguments, 0),
                     .minor = load_le<std::uint32_t>(arguments, 4),
                     .max_readahead_bytes = load_le<std::uint32_t>(arguments, 8),
                     .flags = load_le<std::uint32_t>(arguments, 12)};
    if ((init.flags & FUSE_INIT_EXT) != 0 && arguments.size() >= kFieldsBytes + 4) {
        init.flags |= std::uint64_t{load_le<std::uint32_t>(arguments, kFieldsBytes)} << 32;
    }
    return init;
}

std::optional<RequestBody> decode_lookup(ByteView arguments) {
    const std::string_view text = as_text(arguments);
    const std::size_t end = text.find('\0');
    if (end == text.npos || end == 0) {
        return std::nullopt;
    }
    return LookupRequest{.name = text.substr(0, end)};
}

std::optional<RequestBody> decode_open(ByteView arguments, bool directory) {
    auto open = structure_of<fuse_open_in>(arguments);
    if (!open) {
        return std::nullopt;
    }
    return OpenRequest{.flags = open->flags, .directory = directory};
}

std::optional<RequestBody> decode_read(ByteView arguments, bool directory) {
    auto read = structure_of<fuse_read_in>(arguments);
    if (!read) {
        return std::nullopt;
    }
    return ReadRequest{
        .offset_bytes = read->offset, .size_bytes = read->size, .directory = directory};
}

std::optional<RequestBody> decode_body(std::uint32_t opcode, ByteView arguments) {
    switch (opcode) {
        case FUSE_INIT: return decode_init(arguments);
        case FUSE_LOOKUP: return decode_lookup(arguments);
        case FUSE_GETATTR: return GetAttributesRequest{};
        case FUSE_OPEN: return decode_open(arguments, false);
        case FUSE_OPENDIR: return decode_open(arguments, true);
        case FUSE_READ: return decode_read(arguments, false);
        case FUSE_READDIR: return decode_read(arguments, true);
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR: return ReleaseRequest{};
        case FUSE_STATFS: return StatfsRequest{};
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET: return ForgetRequest{};
        case FUSE_DESTROY: return DestroyRequest{};
        default: return OtherRequest{};
    }
}

}  // namespace

std::optional<std::uint64_t> request_unique(ByteView bytes) {
    auto header = structure_of<fuse_in_header>(bytes);
    return header ? std::optional{header->unique} : std::nullopt;
}

Result<Request> decode_request(ByteView bytes) {
    auto header = structure_of<fuse_in_header>(bytes);
    if (!header) {
        return fail(corrupt(fmt::format("FUSE request of {} bytes", bytes.size())));
    }
    if (header->len != bytes.size()) {
        return fail(corrupt(
            fmt::format("FUSE request of {} bytes says it has {}", bytes.size(), header->len)));
    }
    auto body = decode_body(header->opcode, bytes.subspan(sizeof *header));
    if (!body) {
        return fail(
            corrupt(fmt::format("FUSE request {} with {} bytes", header->opcode, bytes.size())));
    }
    return Request{.unique = header->unique, .node = header->nodeid, .body = *std::move(body)};
}

}  // namespace lazybuild::fuse
