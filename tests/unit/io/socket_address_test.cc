// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/socket_address.h"

#include <gtest/gtest.h>
#include <sys/un.h>

namespace lazybuild::io {
namespace {

TEST(SocketAddress, of_both_families_prints_as_people_write_it) {
    EXPECT_EQ(SocketAddress::ip("127.0.0.1", 443)->to_string(), "127.0.0.1:443");
    EXPECT_EQ(SocketAddress::ip("::1", 5000)->to_string(), "[::1]:5000");
    EXPECT_EQ(SocketAddress::ip("::1", 5000)->family(), AF_INET6);
}
TEST(SocketAddress, takes_no_names) {
    EXPECT_EQ(SocketAddress::ip("localhost", 1).error().code, std::errc::invalid_argument);
    EXPECT_FALSE(SocketAddress::ip("1.2.3", 1).has_value());
    EXPECT_FALSE(SocketAddress::ip("", 1).has_value());
}
TEST(SocketAddress, refuses_sizes_that_no_address_has) {
    sockaddr_storage storage{};
    const auto* address = reinterpret_cast<const sockaddr*>(&storage);
    EXPECT_FALSE(SocketAddress::from(address, sizeof storage + 1).has_value());
    EXPECT_FALSE(SocketAddress::from(address, 1).has_value());
}
TEST(SocketAddress, of_another_family_names_it) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    const auto address =
        SocketAddress::from(reinterpret_cast<const sockaddr*>(&local), sizeof local);
    EXPECT_EQ(address->to_string(), "address family 1");
}

}  // namespace
}  // namespace lazybuild::io
