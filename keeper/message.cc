// SPDX-License-Identifier: Apache-2.0
#include "keeper/message.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lazybuild::keeper {
namespace {

constexpr std::string_view kMagic = "LZKP";
// Room for more than may be sent, so that what is too much is seen, and closed, by us.
constexpr std::size_t kControlBytes = CMSG_SPACE((kDescriptorsMax + 1) * sizeof(int));

/// Owns every descriptor that came, whatever is thought of the message afterwards.
std::vector<Fd> received_descriptors(msghdr& header) {
    std::vector<Fd> descriptors;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(part) + (i * sizeof number), sizeof number);
            descriptors.emplace_back(number);
        }
    }
    return descriptors;
}

Result<Message> decode(ByteView bytes, std::vector<Fd> descriptors) {
    if (bytes.size() < kHeaderBytes || as_text(bytes.first(kMagic.size())) != kMagic) {
        return fail(corrupt(fmt::format("{} bytes that are no keeper's message", bytes.size())));
    }
    if (const auto version = load_le<std::uint16_t>(bytes, 4); version != kVersion) {
        return fail(corrupt(
            fmt::format("a message of version {}, this keeper speaks {}", version, kVersion)));
    }
    const auto kind = load_le<std::uint16_t>(bytes, 6);
    if (kind < std::to_underlying(Kind::take) || kind > std::to_underlying(Kind::answer)) {
        return fail(corrupt(fmt::format("a message of the unknown kind {}", kind)));
    }
    return Message{.kind = static_cast<Kind>(kind),
                   .errno_value = load_le<std::int32_t>(bytes, 8),
                   .name = std::string{as_text(bytes.subspan(kHeaderBytes))},
                   .descriptors = std::move(descriptors)};
}

}  // namespace

Result<void> send_message(int socket, const Outgoing& message) {
    if (message.name.size() > kNameBytesMax || message.descriptors.size() > kDescriptorsMax) {
        return fail(over_limit(fmt::format("a name of {} bytes and {} descriptors for the keeper",
                                           message.name.size(), message.descriptors.size())));
    }
    std::array<std::byte, kHeaderBytes> head{};
    std::ranges::copy(as_bytes(kMagic), head.begin());
    store_le<std::uint16_t>(head, 4, kVersion);
    store_le<std::uint16_t>(head, 6, std::to_underlying(message.kind));
    store_le<std::int32_t>(head, 8, message.errno_value);
    std::array<iovec, 2> parts{
        {{.iov_base = head.data(), .iov_len = head.size()},
         {.iov_base = const_cast<char*>(message.name.data()), .iov_len = message.name.size()}}};
    alignas(cmsghdr) std::array<std::byte, kControlBytes> control{};
    msghdr header{};
    header.msg_iov = parts.data();
    header.msg_iovlen = parts.size();
    if (!message.descriptors.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(message.descriptors.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(message.descriptors.size_bytes());
        std::memcpy(CMSG_DATA(rights), message.descriptors.data(),
                    message.descriptors.size_bytes());
    }
    ssize_t sent = -1;
    do {
        sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return fail(errno_error("send to the keeper's socket"));
    }
    return {};
}

Result<std::optional<Message>> receive_message(int socket) {
    std::array<std::byte, kMessageBytesMax> bytes{};
    iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    alignas(cmsghdr) std::array<std::byte, kControlBytes> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t count = -1;
    do {
        count = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return fail(errno_error("receive from the keeper's socket"));
    }
    std::vector<Fd> descriptors = received_descriptors(header);
    if (count == 0) {
        return std::nullopt;
    }
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
        descriptors.size() > kDescriptorsMax) {
        return fail(corrupt("a message past the limits of the keeper's protocol"));
    }
    TRY(Message message,
        decode(ByteView{bytes}.first(static_cast<std::size_t>(count)), std::move(descriptors)));
    return message;
}

}  // namespace lazybuild::keeper
