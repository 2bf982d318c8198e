// SPDX-License-Identifier: Apache-2.0
#include "bench/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <vector>

#include "base/file.h"
#include "base/stream.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_writer.h"
#include "codec/tar.h"

namespace lazybuild::bench {
namespace {

constexpr std::size_t kPieceBytesMax = 256 << 10;  // of one file, so that none is all of it
constexpr std::size_t kFilesPerDirectory = 20;

void append(Bytes& to, ByteView bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

/// Regular files directly in `directory`, by name.
std::vector<std::string> files_in(const std::string& directory) {
    std::vector<std::string> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator{directory, error}) {
        if (entry.is_regular_file(error) && !entry.is_symlink(error)) {
            paths.push_back(entry.path().string());
        }
    }
    std::ranges::sort(paths);
    return paths;
}

Bytes read_real_bytes() {
    Bytes bytes;
    const std::string library = "/usr/lib/python3.11";  // text, as scripts and configuration are
    const std::vector<std::string> texts = files_in(library);
    const std::vector<std::string> programs = files_in("/usr/bin");
    for (std::size_t i = 0; bytes.size() < kRealBytes; ++i) {
        if (i >= std::max(texts.size(), programs.size())) {
            give_up("/usr/bin and " + library + " hold too little to measure with");
        }
        for (const auto* paths : {&texts, &programs}) {
            // A file that cannot be read is as good as one that is not there.
            const auto content =
                i < paths->size() ? read_file((*paths)[i], kRealBytes) : Result<std::string>{""};
            append(bytes, as_bytes(content.value_or("").substr(0, kPieceBytesMax)));
        }
    }
    bytes.resize(kRealBytes);
    return bytes;
}

}  // namespace

void give_up(const std::string& why) {
    std::cerr << "error: " << why << '\n';
    std::exit(EXIT_FAILURE);
}

const Bytes& real_bytes() {
    static const Bytes bytes = read_real_bytes();
    return bytes;
}

Bytes zlib_gzip(ByteView content, int level) {
    constexpr int kGzipWindow = 15 + 16;
    z_stream stream{};
    if (deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        give_up("zlib does not start");
    }
    Bytes out(deflateBound(&stream, content.size()));
    // zlib does not write to its input, but does not say so.
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        give_up("zlib does not finish");
    }
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

Bytes tar_of_files(std::size_t files, std::size_t file_bytes) {
    Bytes tar;
    const ByteView real = real_bytes();
    codec::TarEntry entry;
    for (std::size_t i = 0; i < files; ++i) {
        const std::string directory = fmt::format("directory-{:06}/", i / kFilesPerDirectory);
        if (i % kFilesPerDirectory == 0) {
            entry.entry = {.type = codec::FileType::directory, .path = directory, .mode = 0755};
            append(tar, codec::tar_header(entry));
        }
        entry.entry = {.type = codec::FileType::regular,
                       .path = fmt::format("{}file-{}", directory, i),
                       .mode = 0644,
                       .mtime_s = 1'600'000'000,
                       .size_bytes = file_bytes};
        append(tar, codec::tar_header(entry));
        append(tar, real.subspan(i * 37 % (real.size() - file_bytes), file_bytes));
        append(tar, codec::tar_padding(file_bytes));
    }
    append(tar, codec::tar_end());
    return tar;
}

BlobTail estargz_tail_of_files(std::size_t files, std::size_t file_bytes) {
    const Bytes tar = tar_of_files(files, file_bytes);
    MemorySink blob;
    value_of(codec::write_estargz(MemoryAccess{tar}, {.prioritized = {}}, blob));
    const ByteView bytes = blob.bytes();
    const auto footer =
        value_of(codec::find_estargz_footer(bytes.last(codec::kEstargzFooterBytesMax)));
    const ByteView members =
        bytes.first(bytes.size() - footer->footer_size_bytes).subspan(footer->toc_offset_bytes);
    return {.toc_members = {members.begin(), members.end()},
            .toc_offset_bytes = footer->toc_offset_bytes};
}

}  // namespace lazybuild::bench
