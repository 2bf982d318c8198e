// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <span>
#include <utility>

#include "base/file.h"
#include "builder/layers/layer_settler.h"
#include "codec/sha256.h"
#include "codec/tree_digest.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layers {
namespace {

bool is_missing(const Error& error) {
    return error.code == std::errc::no_such_file_or_directory;
}

Result<void> check_sizes(const std::string& directory, int disk, const codec::FileTree& tree) {
    struct stat status{};
    if (::fstat(disk, &status) != 0) {
        return fail(errno_error("stat " + store::disk_path(directory)));
    }
    if (static_cast<std::uint64_t>(status.st_size) < tree.disk_size_bytes) {
        return fail(corrupt(fmt::format("{}: {} bytes, where its index says {}",
                                        store::disk_path(directory), status.st_size,
                                        tree.disk_size_bytes)));
    }
    const std::string image = store::tree_path(directory);
    if (::access(image.c_str(), R_OK) != 0) {
        return fail(errno_error(image));
    }
    return {};
}

Result<void> check_bytes(const std::string& directory, int disk, const codec::FileTree& tree,
                         const io::CancelToken& cancel) {
    Bytes buffer;
    for (const codec::Node& node : tree.nodes) {
        for (const codec::Chunk& chunk :
             std::span{tree.chunks}.subspan(node.first_chunk, node.chunk_count)) {
            if (cancel.cancelled()) {
                return fail(Error{.code = std::errc::operation_canceled, .message = "interrupted"});
            }
            if (chunk.size_bytes > codec::kPieceBytes) {
                return fail(corrupt(fmt::format("{}: a file that is not cut into pieces",
                                                store::index_path(directory))));
            }
            const std::uint64_t at = node.disk_offset_bytes + chunk.file_offset_bytes;
            buffer.resize(chunk.size_bytes);
            TRY(const std::size_t count, pread_full(disk, buffer, at));
            if (count != buffer.size() || codec::sha256(buffer) != chunk.digest) {
                return fail(corrupt(fmt::format("{}: the {} bytes at {} are not those of its index",
                                                store::disk_path(directory), buffer.size(), at)));
            }
        }
    }
    return {};
}

}  // namespace

Result<bool> check_layer_files(const std::string& directory, const std::optional<codec::Digest>& id,
                               CheckDepth depth, const io::CancelToken& cancel) {
    if (LayerSettler::state_of(directory) == LayerSettler::State::lost) {
        return false;
    }
    auto disk = open_file(store::disk_path(directory), O_RDONLY);
    if (!disk) {
        return is_missing(disk.error()) ? Result<bool>{false} : fail(std::move(disk).error());
    }
    auto tree = store::read_layer_index(directory);
    if (!tree) {
        const bool removed = ::access(store::disk_path(directory).c_str(), F_OK) != 0;
        return removed ? Result<bool>{false} : fail(std::move(tree).error());
    }
    if (id && codec::tree_digest(*tree) != *id) {
        return fail(corrupt(fmt::format("{}: it is the index of another layer, or damaged",
                                        store::index_path(directory))));
    }
    CHECK_OK(check_sizes(directory, disk->get(), *tree));
    if (depth == CheckDepth::every_byte) {
        CHECK_OK(check_bytes(directory, disk->get(), *tree, cancel));
    }
    return true;
}

}  // namespace lazybuild::layers
