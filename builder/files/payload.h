// SPDX-License-Identifier: Apache-2.0
// Small ByteSources of this room, and digests of what ByteSources give.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"
#include "codec/sha256.h"

namespace lazybuild::files {

/// All of `source`. Reads it to its end. Errors: those of `source`.
Result<codec::Digest> digest_of(ByteSource& source);

/// bad_message: bytes that were copied are not those that the key was made of.
Error content_differs(std::string_view path, const codec::Digest& found,
                      const codec::Digest& expected);

/// A part of a file, which it keeps open.
class SpoolSource final : public ByteSource {
  public:
    SpoolSource(std::shared_ptr<const Fd> file, std::uint64_t offset_bytes,
                std::uint64_t size_bytes)
        : file_(std::move(file)), offset_bytes_(offset_bytes), rest_bytes_(size_bytes) {}
    /// Errors: bad_message when the file ends early.
    Result<std::size_t> read(MutableByteView out) override;

  private:
    std::shared_ptr<const Fd> file_;
    std::uint64_t offset_bytes_;
    std::uint64_t rest_bytes_;
};

/// A file from its beginning, which it closes when it goes.
class FileContent final : public ByteSource {
  public:
    explicit FileContent(Fd file) : file_(std::move(file)) {}
    Result<std::size_t> read(MutableByteView out) override;

  private:
    Fd file_;
    std::uint64_t offset_bytes_ = 0;
};

/// A part of a block of memory, which it keeps.
class BlockSource final : public ByteSource {
  public:
    BlockSource(std::shared_ptr<const Bytes> block, std::size_t begin_bytes, std::size_t size_bytes)
        : block_(std::move(block)), bytes_(ByteView{*block_}.subspan(begin_bytes, size_bytes)) {}
    Result<std::size_t> read(MutableByteView out) override { return bytes_.read(out); }

  private:
    std::shared_ptr<const Bytes> block_;
    MemorySource bytes_;
};

/// A text that outlives it.
class TextSource final : public ByteSource {
  public:
    explicit TextSource(std::string_view text) : bytes_(as_bytes(text)) {}
    Result<std::size_t> read(MutableByteView out) override { return bytes_.read(out); }

  private:
    MemorySource bytes_;
};

/// Passes at most `size_bytes` of another source on and hashes what passes.
class HashingSource final : public ByteSource {
  public:
    HashingSource(ByteSource& source, std::uint64_t size_bytes)
        : source_(source), rest_bytes_(size_bytes) {}
    Result<std::size_t> read(MutableByteView out) override;
    /// Of everything, what nobody has read included. Call it once.
    Result<codec::Digest> finish();

  private:
    ByteSource& source_;
    std::uint64_t rest_bytes_;
    codec::Sha256 hash_;
};

}  // namespace lazybuild::files
