// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/tar.h"
#include "codec/tar_entry.h"
#include "codec/tar_format.h"
#include "codec/xattrs.h"

namespace lazybuild::codec {
namespace {

char type_of(const tar_format::Block& block) {
    return static_cast<char>(block[tar_format::kType.offset_bytes]);
}

}  // namespace

Result<std::size_t> TarReader::read_some(MutableByteView out) {
    if (source_ != nullptr) {
        TRY(const std::size_t count, source_->read(out));
        offset_bytes_ += count;
        return count;
    }
    const std::uint64_t rest = archive_->size_bytes() - offset_bytes_;
    const std::size_t count = std::min<std::uint64_t>(rest, out.size());
    CHECK_OK(archive_->read_at(offset_bytes_, out.first(count)));
    offset_bytes_ += count;
    return count;
}

Result<std::size_t> TarReader::read_up_to(MutableByteView out) {
    std::size_t filled = 0;
    while (filled < out.size()) {
        TRY(const std::size_t count, read_some(out.subspan(filled)));
        if (count == 0) {
            break;
        }
        filled += count;
    }
    return filled;
}

Result<std::uint64_t> TarReader::skip_up_to(std::uint64_t size_bytes) {
    if (archive_ != nullptr) {
        const std::uint64_t count = std::min(size_bytes, archive_->size_bytes() - offset_bytes_);
        offset_bytes_ += count;
        return count;
    }
    std::array<std::byte, 32 * kTarBlockBytes> unwanted;
    std::uint64_t skipped = 0;
    while (skipped < size_bytes) {
        const std::size_t wanted = std::min<std::uint64_t>(size_bytes - skipped, unwanted.size());
        TRY(const std::size_t count, read_some(MutableByteView{unwanted}.first(wanted)));
        if (count == 0) {
            break;
        }
        skipped += count;
    }
    return skipped;
}

// Steps over what is left of the payload and its padding. False: the archive ended inside the
// padding, which some writers leave out after the last payload.
Result<bool> TarReader::finish_payload() {
    TRY(const std::uint64_t payload, skip_up_to(payload_rest_bytes_));
    if (payload != payload_rest_bytes_) {
        return fail(corrupt("the archive ends inside a payload"));
    }
    payload_rest_bytes_ = 0;
    TRY(const std::uint64_t padding, skip_up_to(padding_bytes_));
    return std::exchange(padding_bytes_, 0) == padding;
}

// False: the end of the archive, with its marker or without.
Result<bool> TarReader::read_header(Block& block) {
    TRY(const std::size_t count, read_up_to(block));
    if (count == 0) {
        return false;
    }
    if (count != block.size()) {
        return fail(corrupt("the archive ends inside a header"));
    }
    if (!tar_format::is_zero(block)) {
        if (!tar_format::checksum_matches(block)) {
            return fail(corrupt("not a tar header: the checksum does not match"));
        }
        return true;
    }
    TRY(const std::size_t second, read_up_to(block));
    if (second != 0 && (second != block.size() || !tar_format::is_zero(block))) {
        return fail(corrupt("half an end marker: one block of zeros, and then something else"));
    }
    return false;
}

Result<std::string> TarReader::read_extension(const Block& block) {
    const std::optional<std::int64_t> size = tar_format::number_of(block, tar_format::kSize);
    if (!size || *size < 0) {
        return fail(corrupt("an extension header without a size"));
    }
    if (static_cast<std::uint64_t>(*size) > kTarExtensionBytesMax) {
        return fail(over_limit(fmt::format("an extension header of {} bytes; {} are allowed", *size,
                                           kTarExtensionBytesMax)));
    }
    std::string text(static_cast<std::size_t>(*size), '\0');
    TRY(const std::size_t count, read_up_to(std::as_writable_bytes(std::span{text})));
    if (count != text.size()) {
        return fail(corrupt("the archive ends inside an extension header"));
    }
    padding_bytes_ = tar_padding(text.size()).size();
    TRY(const bool whole, finish_payload());
    if (!whole) {
        return fail(corrupt("the archive ends inside an extension header"));
    }
    return text;
}

// False: `block` is an entry's own header.
Result<bool> TarReader::take_extension(const Block& block, TarExtensions& extensions) {
    const char type = type_of(block);
    if (type != 'x' && type != 'L' && type != 'K') {
        return false;
    }
    TRY(std::string text, read_extension(block));
    extensions.any = true;
    if (type == 'x') {
        TRY(extensions.pax, parse_pax_records(text));
        return true;
    }
    text.resize(std::min(text.size(), text.find('\0')));
    (type == 'L' ? extensions.gnu_path : extensions.gnu_link_path) = std::move(text);
    return true;
}

Result<std::optional<TarEntry>> TarReader::next_entry() {
    TRY(const bool more, finish_payload());
    header_offset_bytes_ = offset_bytes_;
    if (!more) {
        return std::nullopt;
    }
    TarExtensions extensions;
    Block block;
    while (true) {
        TRY(const bool found, read_header(block));
        if (!found && extensions.any) {
            return fail(corrupt("the archive ends after an extension header"));
        }
        if (!found) {
            return std::nullopt;
        }
        if (type_of(block) == 'g') {  // global records: containerd does not listen to them either
            CHECK_OK(read_extension(block));
            extensions = {};
            header_offset_bytes_ = offset_bytes_;
            continue;
        }
        TRY(const bool taken, take_extension(block, extensions));
        if (!taken) {
            break;
        }
    }
    TRY(TarEntry entry, make_tar_entry(block, std::move(extensions)));
    entry.header_offset_bytes = header_offset_bytes_;
    entry.payload_offset_bytes = offset_bytes_;
    payload_rest_bytes_ = entry.entry.size_bytes;
    padding_bytes_ = tar_padding(entry.entry.size_bytes).size();
    return entry;
}

Result<std::optional<TarEntry>> TarReader::next() {
    if (ended_) {
        return std::nullopt;
    }
    auto entry = next_entry();
    if (!entry) {
        return fail(std::move(entry).error().context(
            fmt::format("tar entry at byte {}", header_offset_bytes_)));
    }
    ended_ = !entry->has_value();
    return entry;
}

Result<std::size_t> TarReader::read_payload(MutableByteView out) {
    if (payload_rest_bytes_ == 0) {
        return 0;
    }
    TRY(const std::size_t count,
        read_some(out.first(std::min<std::uint64_t>(out.size(), payload_rest_bytes_))));
    if (count == 0) {
        return fail(corrupt(fmt::format("tar entry at byte {}: the archive ends inside a payload",
                                        header_offset_bytes_)));
    }
    payload_rest_bytes_ -= count;
    return count;
}

namespace {

Result<std::vector<TarEntry>> index_of(TarReader reader) {
    std::vector<TarEntry> entries;
    std::uint64_t layer_text_bytes = 0;
    while (true) {
        TRY(std::optional<TarEntry> entry, reader.next());
        if (!entry) {
            return entries;
        }
        layer_text_bytes += text_bytes(entry->entry);
        if (entries.size() == kLayerEntriesMax || layer_text_bytes > kLayerTextBytesMax) {
            return fail(over_limit(fmt::format("more than {} entries or {} bytes of their names",
                                               kLayerEntriesMax, kLayerTextBytesMax)));
        }
        entries.push_back(*std::move(entry));
    }
}

}  // namespace

Result<std::vector<TarEntry>> index_tar(const RandomAccess& archive) {
    return index_of(TarReader{archive});
}

Result<std::vector<TarEntry>> index_tar(ByteSource& archive) {
    return index_of(TarReader{archive});
}

}  // namespace lazybuild::codec
