// SPDX-License-Identifier: Apache-2.0
// Eight lanes. Without vprord and vpternlog a round costs twice what it does in AVX-512, for half
// as many lanes; and with 16 registers, the schedule is in memory.
#include "codec/sha256_lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>

// By function rather than by file: see sha256_avx512.cc.
#define AVX2 [[gnu::target("avx2")]]
#define AVX2_INLINE [[gnu::target("avx2"), gnu::always_inline]] inline

namespace lazybuild::codec {
namespace {

template <int kBits>
AVX2_INLINE __m256i rotate(__m256i word) {
    return _mm256_or_si256(_mm256_srli_epi32(word, kBits), _mm256_slli_epi32(word, 32 - kBits));
}
AVX2_INLINE __m256i exclusive_or(__m256i x, __m256i y, __m256i z) {
    return _mm256_xor_si256(_mm256_xor_si256(x, y), z);
}

AVX2_INLINE __m256i big_sigma0(__m256i a) {
    return exclusive_or(rotate<2>(a), rotate<13>(a), rotate<22>(a));
}
AVX2_INLINE __m256i big_sigma1(__m256i e) {
    return exclusive_or(rotate<6>(e), rotate<11>(e), rotate<25>(e));
}
AVX2_INLINE __m256i small_sigma0(__m256i w) {
    return exclusive_or(rotate<7>(w), rotate<18>(w), _mm256_srli_epi32(w, 3));
}
AVX2_INLINE __m256i small_sigma1(__m256i w) {
    return exclusive_or(rotate<17>(w), rotate<19>(w), _mm256_srli_epi32(w, 10));
}
AVX2_INLINE __m256i choose(__m256i e, __m256i f, __m256i g) {
    return _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)));
}
AVX2_INLINE __m256i majority(__m256i a, __m256i b, __m256i c) {
    return _mm256_xor_si256(b, _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c)));
}

/// Eight words of the eight blocks, from `offset`, to w[0] to w[7]: a transposition of 8 times 8.
AVX2_INLINE void load(const std::array<const std::byte*, 8>& next, std::size_t offset, __m256i* w) {
    const __m256i swap = _mm256_broadcastsi128_si256(
        _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    __m256i pairs[8];
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < 8; i += 2) {
        const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(next[i] + offset));
        const __m256i odd =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(next[i + 1] + offset));
        pairs[i] = _mm256_unpacklo_epi32(even, odd);
        pairs[i + 1] = _mm256_unpackhi_epi32(even, odd);
    }
    // quads[4 * g + k]: words k and 4 + k of the blocks 4g to 4g + 3.
    __m256i quads[8];
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < 8; i += 4) {
        quads[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
        quads[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
        quads[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        quads[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
#pragma clang loop unroll(full)
    for (std::size_t k = 0; k < 4; ++k) {
        w[k] = _mm256_shuffle_epi8(_mm256_permute2x128_si256(quads[k], quads[4 + k], 0x20), swap);
        w[4 + k] =
            _mm256_shuffle_epi8(_mm256_permute2x128_si256(quads[k], quads[4 + k], 0x31), swap);
    }
}

/// Round t of sixteen. The state is not moved along: s[-t modulo 8] is what the standard calls a.
AVX2_INLINE void round(__m256i (&s)[8], std::size_t t, __m256i w, std::uint32_t constant) {
    const __m256i a = s[(16 - t) % 8];
    const __m256i b = s[(17 - t) % 8];
    const __m256i c = s[(18 - t) % 8];
    __m256i& d = s[(19 - t) % 8];
    const __m256i e = s[(20 - t) % 8];
    const __m256i f = s[(21 - t) % 8];
    const __m256i g = s[(22 - t) % 8];
    __m256i& h = s[(23 - t) % 8];
    h = _mm256_add_epi32(h, _mm256_add_epi32(w, _mm256_set1_epi32(static_cast<int>(constant))));
    h = _mm256_add_epi32(h, choose(e, f, g));
    h = _mm256_add_epi32(h, big_sigma1(e));
    d = _mm256_add_epi32(d, h);
    h = _mm256_add_epi32(h, majority(a, b, c));
    h = _mm256_add_epi32(h, big_sigma0(a));
}

AVX2_INLINE void schedule(__m256i (&w)[16], std::size_t t) {
    w[t] = _mm256_add_epi32(_mm256_add_epi32(w[t], small_sigma0(w[(t + 1) % 16])),
                            _mm256_add_epi32(w[(t + 9) % 16], small_sigma1(w[(t + 14) % 16])));
}

}  // namespace

AVX2 void sha256_compress_avx2(Sha256Lanes<8>& lanes, std::size_t blocks) {
    __m256i s[8];
    for (std::size_t i = 0; i < 8; ++i) {
        s[i] = _mm256_load_si256(reinterpret_cast<const __m256i*>(lanes.words[i].data()));
    }
    for (std::size_t block = 0; block < blocks; ++block) {
        __m256i w[16];
        load(lanes.next, block * kSha256BlockBytes, w);
        load(lanes.next, block * kSha256BlockBytes + kSha256BlockBytes / 2, w + 8);
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
            auto* words = reinterpret_cast<__m256i*>(lanes.words[i].data());
            s[i] = _mm256_add_epi32(s[i], _mm256_load_si256(words));
            _mm256_store_si256(words, s[i]);
        }
    }
    for (const std::byte*& next : lanes.next) {
        next += blocks * kSha256BlockBytes;
    }
}

}  // namespace lazybuild::codec
#endif
