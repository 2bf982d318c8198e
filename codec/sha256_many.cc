// SPDX-License-Identifier: Apache-2.0
// The scheduler of the lanes, and the choice of the kernel.
//
// A kernel costs the same however many of its lanes do useful work, so all that matters is to keep
// them full. Messages start in order of length, the longest first, and a lane that ends is given
// the next at once. What remains unequal is the end of a batch, or one message longer than all
// others together: there a few lanes would be slower than a single stream, which takes over from
// the state that the lane has reached.
#include "codec/sha256_many.h"

// Deprecated in favour of EVP, which cannot start from a state that somebody else has computed, and
// which looks its algorithm up for every message: a fifth of the time of 4 KiB with SHA-NI
// (measured).
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "base/assert.h"
#include "codec/sha256_lanes.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lazybuild::codec {
namespace {

constexpr std::size_t kLengthBytes = 8;  // at the end of the padding

/// The digest of a message of whose bytes `state` has taken in all but `rest`.
Digest finish_as_stream(const Sha256Words& state, std::uint64_t taken_bytes, ByteView rest) {
    SHA256_CTX stream;
    ASSERT(SHA256_Init(&stream) == 1);
    std::ranges::copy(state, stream.h);
    stream.Nl = static_cast<SHA_LONG>(taken_bytes << 3);
    stream.Nh = static_cast<SHA_LONG>(taken_bytes >> 29);
    ASSERT(SHA256_Update(&stream, rest.data(), rest.size()) == 1);
    Digest::Raw raw;
    ASSERT(SHA256_Final(reinterpret_cast<unsigned char*>(raw.data()), &stream) == 1);
    return Digest{raw};
}

Digest to_digest(const Sha256Words& state) {
    Digest::Raw raw;
    for (std::size_t i = 0; i < state.size(); ++i) {
        store_le<std::uint32_t>(raw, i * sizeof state[i], std::byteswap(state[i]));
    }
    return Digest{raw};
}

/// One lane's message: first its whole blocks, where they are, then what is left of it and the
/// padding, in one or two blocks of our own.
struct Lane {
    std::size_t message = 0;  ///< its index
    std::size_t run = 0;      ///< blocks until the lane needs something else to read; 0: no message
    bool in_tail = false;
    std::array<std::byte, 2 * kSha256BlockBytes> tail;

    /// Blocks of the tail, which is written anew. (FIPS 180-4, section 5.1.1.)
    std::size_t make_tail(ByteView message_bytes) {
        const std::size_t left = message_bytes.size() % kSha256BlockBytes;
        const std::size_t blocks = left + 1 + kLengthBytes <= kSha256BlockBytes ? 1 : 2;
        const std::size_t end = blocks * kSha256BlockBytes;
        tail.fill(std::byte{0});
        std::ranges::copy(message_bytes.last(left), tail.begin());
        tail[left] = std::byte{0x80};
        store_le<std::uint64_t>(tail, end - kLengthBytes,
                                std::byteswap(std::uint64_t{message_bytes.size()} * 8));
        return blocks;
    }
};

template <std::size_t kLanes>
class Scheduler {
  public:
    using Compress = void (*)(Sha256Lanes<kLanes>&, std::size_t);

    Scheduler(Compress compress, double lanes_per_stream, std::span<const ByteView> messages,
              std::span<Digest> digests)
        : compress_(compress),
          lanes_per_stream_(lanes_per_stream),
          messages_(messages),
          digests_(digests),
          order_(messages.size()) {
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        // Equal ones in the order they were given in: most likely they are neighbours in memory.
        std::ranges::sort(order_, [messages](std::size_t i, std::size_t j) {
            return std::pair{messages[j].size(), i} < std::pair{messages[i].size(), j};
        });
    }

    void run() {
        for (std::size_t i = 0; i < kLanes; ++i) {
            vectors_.next[i] = lanes_[i].tail.data();
            start_next(i);
        }
        while (const std::size_t blocks = blocks_to_next_change()) {
            if (started_ == order_.size() && streams_are_faster()) {
                finish_as_streams();
                return;
            }
            compress_(vectors_, blocks);
            for (std::size_t i = 0; i < kLanes; ++i) {
                if (lanes_[i].run != 0) {
                    lanes_[i].run -= blocks;
                    go_on(i);
                }
            }
        }
    }

  private:
    /// 0 when no lane has a message. A lane without one reads along in one that has: the kernel
    /// wants something to read, and does not mind what.
    std::size_t blocks_to_next_change() {
        std::size_t blocks = 0;
        std::size_t busy = 0;
        for (std::size_t i = 0; i < kLanes; ++i) {
            if (lanes_[i].run != 0 && (blocks == 0 || lanes_[i].run < blocks)) {
                blocks = lanes_[i].run;
                busy = i;
            }
        }
        for (std::size_t i = 0; i < kLanes; ++i) {
            if (lanes_[i].run == 0) {
                vectors_.next[i] = vectors_.next[busy];
            }
        }
        return blocks;
    }

    void go_on(std::size_t i) {
        Lane& lane = lanes_[i];
        if (lane.run != 0) {
            return;
        }
        if (!lane.in_tail) {
            start_tail(i);
            return;
        }
        digests_[lane.message] = to_digest(state(i));
        start_next(i);
    }

    void start_next(std::size_t i) {
        if (started_ == order_.size()) {
            return;
        }
        Lane& lane = lanes_[i];
        lane.message = order_[started_++];
        for (std::size_t word = 0; word < kSha256Start.size(); ++word) {
            vectors_.words[word][i] = kSha256Start[word];
        }
        const ByteView bytes = messages_[lane.message];
        lane.in_tail = false;
        lane.run = bytes.size() / kSha256BlockBytes;
        vectors_.next[i] = bytes.data();
        if (lane.run == 0) {
            start_tail(i);
        }
    }

    void start_tail(std::size_t i) {
        Lane& lane = lanes_[i];
        lane.in_tail = true;
        lane.run = lane.make_tail(messages_[lane.message]);
        vectors_.next[i] = lane.tail.data();
    }

    /// Lanes take as long as the longest of what is left, streams as long as all of it. No stream
    /// can take over in the padding, but that ends within a step or two.
    bool streams_are_faster() const {
        std::size_t longest = 0;
        std::size_t all = 0;
        for (const Lane& lane : lanes_) {
            if (lane.run != 0 && lane.in_tail) {
                return false;
            }
            longest = std::max(longest, lane.run);
            all += lane.run;
        }
        return static_cast<double>(all) < static_cast<double>(longest) * lanes_per_stream_;
    }

    void finish_as_streams() {
        for (std::size_t i = 0; i < kLanes; ++i) {
            if (const Lane& lane = lanes_[i]; lane.run != 0) {
                const ByteView bytes = messages_[lane.message];
                const std::size_t taken =
                    (bytes.size() / kSha256BlockBytes - lane.run) * kSha256BlockBytes;
                digests_[lane.message] = finish_as_stream(state(i), taken, bytes.subspan(taken));
            }
        }
    }

    Sha256Words state(std::size_t i) const {
        Sha256Words words;
        for (std::size_t word = 0; word < words.size(); ++word) {
            words[word] = vectors_.words[word][i];
        }
        return words;
    }

    Compress compress_;
    double lanes_per_stream_;
    std::span<const ByteView> messages_;
    std::span<Digest> digests_;
    std::vector<std::size_t> order_;
    std::size_t started_ = 0;  ///< of order_
    std::array<Lane, kLanes> lanes_;
    Sha256Lanes<kLanes> vectors_{};
};

/// Measured on a Xeon with everything, chunks of 64 KiB, GB/s (bench/digest_bench): OpenSSL without
/// SHA-NI 0.48, avx2 1.6, OpenSSL with SHA-NI 1.7, avx512 3.8. So SHA-NI is worth more than AVX2 by
/// a little, which a partly filled batch loses, and AVX-512 twice as much as SHA-NI.
Sha256Kernel fastest_kernel() {
    const Sha256Kernel widest = sha256_kernels_here().back();
    if (widest == Sha256Kernel::avx2 && sha256_instructions_here()) {
        return Sha256Kernel::openssl;
    }
    return widest;
}

}  // namespace

std::string_view sha256_kernel_name(Sha256Kernel kernel) {
    switch (kernel) {
        case Sha256Kernel::openssl: return "openssl";
        case Sha256Kernel::avx2: return "avx2";
        case Sha256Kernel::avx512: return "avx512";
    }
    return "unknown";
}

std::vector<Sha256Kernel> sha256_kernels_here() {
    std::vector<Sha256Kernel> kernels = {Sha256Kernel::openssl};
#if defined(__x86_64__)
    // Asks the CPU, and also (XGETBV) whether the operating system keeps the wide registers.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) {
        kernels.push_back(Sha256Kernel::avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
        kernels.push_back(Sha256Kernel::avx512);
    }
#endif
    return kernels;
}

bool sha256_instructions_here() {
#if defined(__x86_64__)
    constexpr unsigned kFeaturesLeaf = 7;
    constexpr unsigned kShaBit = 1U << 29;
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    return __get_cpuid_count(kFeaturesLeaf, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & kShaBit) != 0;
#else
    return false;
#endif
}

// The number of lanes divided by how many times a stream's speed they have: see fastest_kernel().
Sha256Plan sha256_plan_for(Sha256Kernel kernel, bool sha_instructions) {
    switch (kernel) {
        case Sha256Kernel::avx512:
            return {.kernel = kernel, .lanes_per_stream = sha_instructions ? 7.0 : 2.0};
        case Sha256Kernel::avx2:
            return {.kernel = kernel, .lanes_per_stream = sha_instructions ? 7.0 : 2.5};
        case Sha256Kernel::openssl: break;
    }
    return {};
}

const Sha256Plan& sha256_plan_here() {
    static const Sha256Plan plan = sha256_plan_for(fastest_kernel(), sha256_instructions_here());
    return plan;
}

void sha256_each(std::span<const ByteView> messages, std::span<Digest> digests) {
    sha256_each(sha256_plan_here(), messages, digests);
}

void sha256_each(const Sha256Plan& plan, std::span<const ByteView> messages,
                 std::span<Digest> digests) {
    ASSERT(messages.size() == digests.size());
    switch (plan.kernel) {
#if defined(__x86_64__)
        case Sha256Kernel::avx512:
            Scheduler<16>(sha256_compress_avx512, plan.lanes_per_stream, messages, digests).run();
            return;
        case Sha256Kernel::avx2:
            Scheduler<8>(sha256_compress_avx2, plan.lanes_per_stream, messages, digests).run();
            return;
#endif
        default:
            for (std::size_t i = 0; i < messages.size(); ++i) {
                digests[i] = finish_as_stream(kSha256Start, 0, messages[i]);
            }
    }
}

}  // namespace lazybuild::codec
