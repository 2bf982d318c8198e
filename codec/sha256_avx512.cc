// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes. A round costs 17 instructions and the schedule 11 a word, because a rotate is one
// instruction here (vprord) and so is any function of three words (vpternlog): some 1,700 for 16
// blocks, two a cycle. Schedule and state are 24 of the 32 registers: hardly anything is spilled,
// as long as every loop over them is unrolled.
#include "codec/sha256_lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>

// By function rather than by file, so that no inline function of a header is ever compiled for this
// instruction set and then linked into code that runs everywhere.
#define AVX512 [[gnu::target("avx512f,avx512bw")]]
#define AVX512_INLINE [[gnu::target("avx512f,avx512bw"), gnu::always_inline]] inline

namespace lazybuild::codec {
namespace {

// Truth tables for vpternlog: the bit at index a*4 + b*2 + c is the result.
constexpr int kXor = 0x96;
constexpr int kChoose = 0xca;
constexpr int kMajority = 0xe8;

constexpr std::size_t kBlocksAhead = 8;

AVX512_INLINE __m512i big_sigma0(__m512i a) {
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13),
                                     _mm512_ror_epi32(a, 22), kXor);
}
AVX512_INLINE __m512i big_sigma1(__m512i e) {
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11),
                                     _mm512_ror_epi32(e, 25), kXor);
}
AVX512_INLINE __m512i small_sigma0(__m512i w) {
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(w, 7), _mm512_ror_epi32(w, 18),
                                     _mm512_srli_epi32(w, 3), kXor);
}
AVX512_INLINE __m512i small_sigma1(__m512i w) {
    return _mm512_ternarylogic_epi32(_mm512_ror_epi32(w, 17), _mm512_ror_epi32(w, 19),
                                     _mm512_srli_epi32(w, 10), kXor);
}

/// Word i of the sixteen blocks at `next` + `offset` to w[i]: a transposition of 16 times 16 words.
AVX512_INLINE void load(const std::array<const std::byte*, 16>& next, std::size_t offset,
                        __m512i (&w)[16]) {
    const __m512i swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    __m512i pairs[16];
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < 16; i += 2) {
        const __m512i even = _mm512_loadu_si512(next[i] + offset);
        const __m512i odd = _mm512_loadu_si512(next[i + 1] + offset);
        pairs[i] = _mm512_unpacklo_epi32(even, odd);
        pairs[i + 1] = _mm512_unpackhi_epi32(even, odd);
    }
    // quads[4 * g + k]: words k, 4 + k, 8 + k and 12 + k of the blocks 4g to 4g + 3.
    __m512i quads[16];
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < 16; i += 4) {
        quads[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        quads[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        quads[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        quads[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
#pragma clang loop unroll(full)
    for (std::size_t k = 0; k < 4; ++k) {
        const __m512i low = _mm512_shuffle_i32x4(quads[k], quads[4 + k], 0x88);
        const __m512i high = _mm512_shuffle_i32x4(quads[8 + k], quads[12 + k], 0x88);
        const __m512i low_odd = _mm512_shuffle_i32x4(quads[k], quads[4 + k], 0xdd);
        const __m512i high_odd = _mm512_shuffle_i32x4(quads[8 + k], quads[12 + k], 0xdd);
        w[k] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4(low, high, 0x88), swap);
        w[4 + k] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4(low_odd, high_odd, 0x88), swap);
        w[8 + k] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4(low, high, 0xdd), swap);
        w[12 + k] = _mm512_shuffle_epi8(_mm512_shuffle_i32x4(low_odd, high_odd, 0xdd), swap);
    }
}

/// The CPU's own prefetching stops at each page, and sixteen streams meet many (8 % at 1 MiB each).
AVX512_INLINE void prefetch(const std::array<const std::byte*, 16>& next, std::size_t offset) {
    for (const std::byte* block : next) {
        _mm_prefetch(reinterpret_cast<const char*>(block + offset), _MM_HINT_T0);
    }
}

/// Round t of sixteen. The state is not moved along: s[-t modulo 8] is what the standard calls a.
AVX512_INLINE void round(__m512i (&s)[8], std::size_t t, __m512i w, std::uint32_t constant) {
    const __m512i a = s[(16 - t) % 8];
    const __m512i b = s[(17 - t) % 8];
    const __m512i c = s[(18 - t) % 8];
    __m512i& d = s[(19 - t) % 8];
    const __m512i e = s[(20 - t) % 8];
    const __m512i f = s[(21 - t) % 8];
    const __m512i g = s[(22 - t) % 8];
    __m512i& h = s[(23 - t) % 8];
    h = _mm512_add_epi32(h, _mm512_add_epi32(w, _mm512_set1_epi32(static_cast<int>(constant))));
    h = _mm512_add_epi32(h, _mm512_ternarylogic_epi32(e, f, g, kChoose));
    h = _mm512_add_epi32(h, big_sigma1(e));
    d = _mm512_add_epi32(d, h);
    h = _mm512_add_epi32(h, _mm512_ternarylogic_epi32(a, b, c, kMajority));
    h = _mm512_add_epi32(h, big_sigma0(a));
}

AVX512_INLINE void schedule(__m512i (&w)[16], std::size_t t) {
    w[t] = _mm512_add_epi32(_mm512_add_epi32(w[t], small_sigma0(w[(t + 1) % 16])),
                            _mm512_add_epi32(w[(t + 9) % 16], small_sigma1(w[(t + 14) % 16])));
}

}  // namespace

AVX512 void sha256_compress_avx512(Sha256Lanes<16>& lanes, std::size_t blocks) {
    __m512i s[8];
    for (std::size_t i = 0; i < 8; ++i) {
        s[i] = _mm512_load_si512(lanes.words[i].data());
    }
    for (std::size_t block = 0; block < blocks; ++block) {
        __m512i w[16];
        load(lanes.next, block * kSha256BlockBytes, w);
        prefetch(lanes.next, std::min(block + kBlocksAhead, blocks - 1) * kSha256BlockBytes);
#pragma clang loop unroll(full)
        for (std::size_t t = 0; t < 16; ++t) {
            round(s, t, w[t], kSha256Rounds[t]);
        }
        for (std::size_t base = 16; base < 64; base += 16) {
#pragma clang loop unroll(full)
            for (std::size_t t = 0; t < 16; ++t) {
                schedule(w, t);
                round(s, t, w[t], kSha256Rounds[base + t]);
            }
        }
        for (std::size_t i = 0; i < 8; ++i) {
            s[i] = _mm512_add_epi32(s[i], _mm512_load_si512(lanes.words[i].data()));
            _mm512_store_si512(lanes.words[i].data(), s[i]);
        }
    }
    for (const std::byte*& next : lanes.next) {
        next += blocks * kSha256BlockBytes;
    }
}

}  // namespace lazybuild::codec
#endif
