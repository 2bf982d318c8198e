// SPDX-License-Identifier: Apache-2.0
// Small helpers of the tar tests: archives put together by hand, and reading all of one.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "codec/tar.h"
#include "codec/tar_format.h"

namespace lazybuild::codec::test {

inline TarEntry file_entry(std::string path, std::uint64_t size_bytes = 0) {
    return TarEntry{.entry = {.path = std::move(path), .mode = 0644, .size_bytes = size_bytes}};
}

/// An archive as text, which tests can cut and patch.
class Archive {
  public:
    Archive& add(const TarEntry& entry, std::string_view payload = {}) {
        text += as_text(tar_header(entry));
        text += payload;
        text += as_text(tar_padding(payload.size()));
        return *this;
    }
    Archive& file(std::string path, std::string_view payload = {}) {
        return add(file_entry(std::move(path), payload.size()), payload);
    }
    /// A header block of any type, with its payload. The name and all else are those of `entry`.
    Archive& raw(char type, std::string_view payload, TarEntry entry = file_entry("raw")) {
        entry.entry.size_bytes = payload.size();
        text += as_text(tar_header(entry));
        patch(text.size() - kTarBlockBytes, tar_format::kType, std::string_view{&type, 1});
        text += payload;
        text += as_text(tar_padding(payload.size()));
        return *this;
    }
    Archive& end() {
        text += as_text(tar_end());
        return *this;
    }
    /// Overwrites a field of the header block at `offset_bytes`, and mends its checksum.
    Archive& patch(std::size_t offset_bytes, tar_format::Field field, std::string_view value) {
        tar_format::Block block;
        std::memcpy(block.data(), text.data() + offset_bytes, block.size());
        std::memset(block.data() + field.offset_bytes, 0, field.size_bytes);
        tar_format::put_text(block, field, value);
        tar_format::put_checksum(block);
        text.replace(offset_bytes, block.size(), as_text(block));
        return *this;
    }

    std::string text;
};

struct ReadArchive {
    std::vector<TarEntry> entries;
    std::vector<std::string> payloads;
    std::uint64_t end_bytes = 0;
    bool failed = false;
    Error error;  ///< if it did
};

inline ReadArchive read_with(TarReader reader) {
    ReadArchive result;
    while (true) {
        auto next = reader.next();
        result.end_bytes = reader.offset_bytes();
        if (!next) {
            result.failed = true;
            result.error = std::move(next).error();
            return result;
        }
        const std::optional<TarEntry> entry = *std::move(next);
        if (!entry) {
            return result;
        }
        result.entries.push_back(*entry);
        std::string& payload = result.payloads.emplace_back();
        Bytes buffer(1000);
        while (true) {
            auto count = reader.read_payload(buffer);
            if (!count || *count == 0) {
                break;  // next() reports the same end again
            }
            payload += as_text(ByteView{buffer}.first(*count));
        }
    }
}

inline ReadArchive read_all(std::string_view archive) {
    MemorySource source{as_bytes(archive)};
    return read_with(TarReader{source});
}

/// The only entry of a sound archive.
inline TarEntry only_entry(const Archive& archive) {
    ReadArchive read = read_all(archive.text);
    EXPECT_FALSE(read.failed) << read.error.message;
    EXPECT_EQ(read.entries.size(), 1U);
    return read.entries.empty() ? TarEntry{} : read.entries[0];
}

/// What is wrong with an archive; the test's failure when nothing is.
inline Error error_of(const Archive& archive) {
    ReadArchive read = read_all(archive.text);
    EXPECT_TRUE(read.failed) << "read " << read.entries.size() << " entries without an error";
    return read.error;
}

}  // namespace lazybuild::codec::test
