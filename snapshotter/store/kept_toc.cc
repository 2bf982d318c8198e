// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/kept_toc.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/fd.h"
#include "base/file.h"

namespace lazybuild::store {
namespace {

constexpr std::string_view kMagic{"LZBTOC\0\0", 8};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint16_t kBareDirectories = 1;
constexpr std::uint16_t kWhiteouts = 2;
constexpr std::uint16_t kNoFormat = 0xffff;
constexpr std::size_t kHeaderBytes = 24;
constexpr std::uint64_t kFileBytesMax = 256 << 20;

std::string path_in(const std::string& layer_directory) {
    return layer_directory + "/toc";
}

}  // namespace

Result<void> write_kept_toc(const std::string& layer_directory, const KeptToc& toc,
                            ByteView index) {
    Bytes file(kHeaderBytes);
    std::ranges::copy(as_bytes(kMagic), file.begin());
    store_le<std::uint32_t>(file, 8, kVersion);
    store_le<std::uint16_t>(
        file, 12,
        static_cast<std::uint16_t>((toc.bare_directories ? kBareDirectories : 0) |
                                   (toc.whiteouts ? kWhiteouts : 0)));
    store_le<std::uint16_t>(file, 14, toc.format == nullptr ? kNoFormat : toc.format->number);
    store_le<std::uint64_t>(file, 16, toc.toc_offset_bytes);
    file.insert(file.end(), index.begin(), index.end());
    return replace_file(path_in(layer_directory), file, 0600);
}

Result<std::optional<KeptToc>> find_kept_toc(const std::string& layer_directory) {
    const std::string path = path_in(layer_directory);
    const Result<Fd> file = open_file(path, O_RDONLY);
    if (!file && file.error().code == std::errc::no_such_file_or_directory) {
        return std::nullopt;
    }
    if (!file) {
        return fail(file.error());
    }
    std::array<std::byte, kHeaderBytes> header{};
    TRY(const std::size_t count, pread_full(file->get(), header, 0));
    const ByteView view{header};
    const auto number = load_le<std::uint16_t>(view, 14);
    const auto* const format = codec::find_layer_format(number);
    if (count != header.size() || (format == nullptr && number != kNoFormat) ||
        as_text(view.first(kMagic.size())) != kMagic ||
        load_le<std::uint32_t>(view, 8) != kVersion) {
        return fail(corrupt(path + ": not a kept table of contents of this version"));
    }
    const auto flags = load_le<std::uint16_t>(view, 12);
    return KeptToc{.bare_directories = (flags & kBareDirectories) != 0,
                   .whiteouts = (flags & kWhiteouts) != 0,
                   .format = format,
                   .toc_offset_bytes = load_le<std::uint64_t>(view, 16)};
}

Result<Bytes> read_kept_index(const std::string& layer_directory) {
    const std::string path = path_in(layer_directory);
    TRY(const Fd file, open_file(path, O_RDONLY));
    TRY(const FdAccess access, FdAccess::open(file.get()));
    if (access.size_bytes() < kHeaderBytes || access.size_bytes() > kFileBytesMax) {
        return fail(corrupt(path + ": too short, or too long"));
    }
    Bytes index(access.size_bytes() - kHeaderBytes);
    CHECK_OK(access.read_at(kHeaderBytes, index));
    return index;
}

}  // namespace lazybuild::store
