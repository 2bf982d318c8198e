// SPDX-License-Identifier: Apache-2.0
#include "codec/strand_digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <semaphore>

#include "codec/sha256.h"
#include "snapshotter/io/pool.h"

namespace lazybuild::codec {
namespace {

Bytes sample(std::size_t size_bytes) {
    Bytes bytes(size_bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(i * 31 + i / 1000);
    }
    return bytes;
}

TEST(StrandDigest, is_the_digest_of_the_stream_however_it_is_cut) {
    io::Pool workers(2);
    const Bytes bytes = sample(9'000'001);
    StrandDigest digest(workers);
    for (const std::size_t piece : {std::size_t{4096}, std::size_t{1'000'003}}) {
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            digest.update(ByteView{bytes}.subspan(at, std::min(piece, bytes.size() - at)));
        }
        EXPECT_EQ(digest.finish(), sha256(bytes)) << piece;
    }
    EXPECT_EQ(digest.finish(), sha256({}));
}

TEST(StrandDigest, ends_on_the_only_worker_that_there_is) {
    const Bytes bytes = sample(9'000'001);
    Digest found;
    std::binary_semaphore done(0);
    io::Pool workers(1);
    workers.submit([&] {
        StrandDigest digest(workers);
        digest.update(bytes);
        found = digest.finish();
        done.release();
    });
    done.acquire();
    EXPECT_EQ(found, sha256(bytes));
}

}  // namespace
}  // namespace lazybuild::codec
