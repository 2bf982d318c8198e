// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/layer_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"
#include "codec/erofs_writer.h"
#include "codec/tree_index.h"

namespace lazybuild::store {
namespace {

std::string chunks_path(const std::string& directory) {
    return directory + "/chunks";
}
std::string have_path(const std::string& directory) {
    return directory + "/have";
}

Result<void> write_tree(const std::string& path, int exclusive, const codec::FileTree& tree,
                        const codec::Digest& identity) {
    TRY(Fd file, open_file(path, O_WRONLY | O_CREAT | exclusive, 0600));
    FdSink sink{file.get()};
    const codec::ErofsOptions options{.identity = identity};
    CHECK_OK(codec::write_erofs(tree, options, sink));
    if (::fsync(file.get()) != 0) {
        return fail(errno_error("fsync " + path));
    }
    return {};
}

Result<void> make_disk(const std::string& directory, std::uint64_t size_bytes) {
    TRY(Fd file, open_file(disk_path(directory), O_WRONLY | O_CREAT | O_EXCL, 0600));
    if (::ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0) {
        return fail(errno_error("ftruncate " + disk_path(directory)));
    }
    return {};
}

}  // namespace

std::string tree_path(const std::string& layer_directory) {
    return layer_directory + "/tree.erofs";
}
std::string disk_path(const std::string& layer_directory) {
    return layer_directory + "/disk";
}
std::string index_path(const std::string& layer_directory) {
    return layer_directory + "/tree";
}
std::string chain_path(const std::string& layer_directory, std::string_view chain) {
    return fmt::format("{}/chain-{}.erofs", layer_directory, chain);
}

Result<void> make_layer_files(const std::string& directory, const codec::FileTree& tree,
                              const codec::Digest& identity, const codec::LayerFormat& format,
                              std::uint64_t data_end_bytes) {
    CHECK_OK(write_tree(tree_path(directory), O_EXCL, tree, identity));
    CHECK_OK(ChunkTable::write(tree, format, data_end_bytes, chunks_path(directory)));
    CHECK_OK(make_disk(directory, tree.disk_size_bytes));
    return sync_directory(directory);
}

Result<void> finish_whole_layer(const std::string& directory, std::uint64_t disk_size_bytes) {
    CHECK_OK(ChunkTable::write_whole(disk_size_bytes, chunks_path(directory)));
    return sync_directory(directory);
}

Result<void> write_layer_index(const std::string& layer_directory, const codec::FileTree& tree) {
    const std::string path = index_path(layer_directory);
    TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    FdSink sink{file.get()};
    CHECK_OK(codec::write_tree_index(tree, sink));
    if (::fsync(file.get()) != 0) {
        return fail(errno_error("fsync " + path));
    }
    return {};
}

Result<codec::FileTree> read_layer_index(const std::string& layer_directory) {
    constexpr std::uint64_t kIndexBytesMax = 512 << 20;
    const std::string path = index_path(layer_directory);
    TRY(const std::string bytes, read_file(path, kIndexBytesMax));
    auto tree = codec::read_tree_index(as_bytes(bytes));
    if (!tree) {
        return fail(std::move(tree).error().context(path));
    }
    return tree;
}

Result<void> write_chain_tree(const codec::FileTree& tree, const codec::Digest& identity,
                              const std::string& path) {
    const std::string aside = path + ".new";  // of a crash, perhaps: written over
    CHECK_OK(write_tree(aside, O_TRUNC, tree, identity));
    if (::rename(aside.c_str(), path.c_str()) != 0) {
        return fail(errno_error("rename " + aside));
    }
    return sync_directory(path.substr(0, path.rfind('/')));
}

Result<std::unique_ptr<LayerFiles>> LayerFiles::open(const std::string& directory) {
    TRY(ChunkTable chunks, ChunkTable::open(chunks_path(directory)));
    TRY(Fd disk, open_file(disk_path(directory), O_RDWR));
    struct stat status{};
    if (::fstat(disk.get(), &status) != 0) {
        return fail(errno_error("fstat " + disk_path(directory)));
    }
    if (static_cast<std::uint64_t>(status.st_size) != chunks.disk_size_bytes()) {
        return fail(corrupt(directory + ": the disk and the chunk table are of different sizes"));
    }
    if (::access(tree_path(directory).c_str(), R_OK) != 0) {
        return fail(errno_error(tree_path(directory)));
    }
    std::unique_ptr<LayerFiles> files{new LayerFiles(std::move(disk), std::move(chunks))};
    TRY(files->presence_,
        Presence::open(have_path(directory), files->chunks_.records().size(), files->disk_.get()));
    return files;
}

bool LayerFiles::has(std::uint64_t offset_bytes, std::uint64_t size_bytes) const {
    const ChunkTable::Run run = chunks_.overlapping(offset_bytes, size_bytes);
    for (ChunkIndex chunk = run.begin; chunk < run.end; ++chunk) {
        if (!presence_->has(chunk)) {
            return false;
        }
    }
    return true;
}

Result<void> LayerFiles::read(std::uint64_t offset_bytes, MutableByteView out) const {
    TRY(const std::size_t count, pread_full(disk_.get(), out, offset_bytes));
    if (count != out.size()) {
        return fail(corrupt("read past the end of a layer's disk"));
    }
    ::posix_fadvise(disk_.get(), static_cast<off_t>(offset_bytes), static_cast<off_t>(out.size()),
                    POSIX_FADV_DONTNEED);
    return {};
}

Result<void> LayerFiles::keep(ChunkIndex chunk, ByteView bytes) {
    const ChunkRecord& record = chunks_.records()[chunk];
    ASSERT(bytes.size() == record.size_bytes);
    CHECK_OK(pwrite_all(disk_.get(), bytes, record.disk_offset_bytes));
    presence_->mark(chunk);
    return {};
}

}  // namespace lazybuild::store
