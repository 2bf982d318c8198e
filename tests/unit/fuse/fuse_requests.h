// SPDX-License-Identifier: Apache-2.0
// Requests as the kernel would write them, and a port that keeps the answers.
#pragma once

#include <linux/fuse.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "fuse/disk_backend.h"

namespace lazybuild::fuse::test {

inline Bytes make_request(std::uint32_t opcode, std::uint64_t node, ByteView arguments,
                          std::uint64_t unique = 42) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + arguments.size());
    header.opcode = opcode;
    header.unique = unique;
    header.nodeid = node;
    const ByteView head = std::as_bytes(std::span{&header, 1});
    Bytes bytes{head.begin(), head.end()};
    bytes.insert(bytes.end(), arguments.begin(), arguments.end());
    return bytes;
}

template <class Structure>
Bytes make_request_of(std::uint32_t opcode, std::uint64_t node, const Structure& arguments,
                      std::uint64_t unique = 42) {
    return make_request(opcode, node, std::as_bytes(std::span{&arguments, 1}), unique);
}

inline fuse_read_in read_arguments(std::uint64_t offset_bytes, std::uint32_t size_bytes) {
    fuse_read_in arguments{};
    arguments.offset = offset_bytes;
    arguments.size = size_bytes;
    return arguments;
}

struct Answer {
    std::uint64_t unique = 0;
    int errno_value = 0;
    Bytes payload;

    bool operator==(const Answer&) const = default;
};

class AnswerPort final : public ReplyPort {
  public:
    void send(std::uint64_t unique, int errno_value, ByteView payload) override {
        std::lock_guard lock{mutex_};
        answers_.push_back({.unique = unique,
                            .errno_value = errno_value,
                            .payload = {payload.begin(), payload.end()}});
    }
    std::vector<Answer> take() {
        std::lock_guard lock{mutex_};
        return std::exchange(answers_, {});
    }

  private:
    std::mutex mutex_;
    std::vector<Answer> answers_;
};

}  // namespace lazybuild::fuse::test
