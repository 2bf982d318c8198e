// SPDX-License-Identifier: Apache-2.0
// Any bytes as a FUSE request: decoded or refused, and what is decoded gets exactly one answer that
// the kernel would take.
#include <linux/fuse.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "fuse/disk_backend.h"
#include "fuse/disk_filesystem.h"
#include "fuse/requests.h"

namespace lazybuild {
namespace {

constexpr std::uint64_t kDiskBytes = 3 << 20;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

class Disks final : public fuse::DiskBackend {
  public:
    std::optional<std::uint64_t> disk_size_bytes(fuse::DiskNumber disk) override {
        require(disk >= 1 && disk <= fuse::kDiskNumberMax);
        return disk < 100 ? std::optional{kDiskBytes} : std::nullopt;
    }
    std::vector<fuse::DiskNumber> disks() override { return {99, 1, 50, 7, 98}; }
    void read(fuse::DiskNumber disk, std::uint64_t offset_bytes, std::uint32_t size_bytes,
              fuse::ReadReply reply) override {
        require(disk < 100 && size_bytes > 0 && size_bytes <= fuse::kReadBytesMax);
        require(offset_bytes < kDiskBytes && size_bytes <= kDiskBytes - offset_bytes);
        if (offset_bytes % 2 == 0) {
            reply.data(Bytes(size_bytes));
        }
    }
};

class CountingPort final : public fuse::ReplyPort {
  public:
    void send(std::uint64_t, int errno_value, ByteView payload) override {
        require(errno_value == 0 || payload.empty());
        require(payload.size() <= fuse::kReadBytesMax);
        ++answers;
    }
    int answers = 0;
};

void feed(ByteView bytes) {
    const Result<fuse::Request> request = fuse::decode_request(bytes);
    if (!request) {
        return;
    }
    require(fuse::request_unique(bytes) == request->unique);
    if (const auto* init = std::get_if<fuse::InitRequest>(&request->body)) {
        const auto reply = fuse::negotiate(*init, 4096);
        require(!reply || reply->payload.size() == sizeof(fuse_init_out));
    }
    Disks disks;
    auto port = std::make_shared<CountingPort>();
    fuse::DiskFilesystem{disks}.handle(*request, port);
    const bool is_forget = std::holds_alternative<fuse::ForgetRequest>(request->body);
    require(port->answers == (is_forget ? 0 : 1));
}

}  // namespace
}  // namespace lazybuild

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const lazybuild::ByteView bytes = std::as_bytes(std::span{data, size});
    lazybuild::feed(bytes);
    if (size >= sizeof(fuse_in_header)) {
        // Once more with a length that is right, which chance does not find.
        lazybuild::Bytes corrected{bytes.begin(), bytes.end()};
        lazybuild::store_le<std::uint32_t>(corrected, 0, static_cast<std::uint32_t>(size));
        lazybuild::feed(corrected);
    }
    return 0;
}
