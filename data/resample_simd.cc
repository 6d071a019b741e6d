// The passes with AVX2's multiply-and-add of 16-bit pairs: two taps a lane and instruction.
//
// Of split weights the two sums are put together at the end: the same integer.
#include <algorithm>
#include <cstring>

#include "data/resample.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace glmv {

#ifdef __AVX2__

namespace {

/// Sum of up to two parts, rounded and shifted to whole bytes, still as 32-bit lanes.
template <bool split>
__m256i whole(const __m256i* sums, int precision) {
  __m256i sum = _mm256_add_epi32(sums[0], _mm256_set1_epi32((1 << precision) >> 1));
  if (split) sum = _mm256_add_epi32(sum, _mm256_slli_epi32(sums[1], kLowBits));
  return _mm256_sra_epi32(sum, _mm_cvtsi32_si128(precision));
}

// -------------------------------------------------------------------------------------------------------- columns

constexpr int kRows = 4;  ///< rows that share a load of weights

/// Four pixels of a row as 16-bit lanes: r0 r1 g0 g1 b0 b1 0 0 | r2 r3 g2 g3 b2 b3 0 0.
__m256i four_pixels(const uint8_t* in) {
  constexpr char z = -128;
  const __m256i order = _mm256_setr_epi8(0, z, 3, z, 1, z, 4, z, 2, z, 5, z, z, z, z, z,  //
                                         6, z, 9, z, 7, z, 10, z, 8, z, 11, z, z, z, z, z);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), order);
}

/// Weights 0 and 1 in every lane of the lower half, 2 and 3 in the upper.
__m256i spread(uint64_t four) {
  const __m256i order = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  return _mm256_permutevar8x32_epi32(_mm256_set1_epi64x(static_cast<long long>(four)), order);
}

/// One output pixel of four rows, stored as four bytes each: the next pixel overwrites the fourth.
template <bool split>
void weigh_pixel(const uint8_t* const* in, const uint64_t* packed, int64_t groups, int precision, uint8_t* const* out) {
  constexpr int parts = split ? 2 : 1;
  __m256i sums[kRows][parts];
  for (auto& sum : sums) std::fill_n(sum, parts, _mm256_setzero_si256());
  for (int64_t group = 0; group < groups; ++group) {
    for (int part = 0; part < parts; ++part) {
      const __m256i weights = spread(*packed++);
      for (int row = 0; row < kRows; ++row) {
        const __m256i pixels = four_pixels(in[row] + group * kTapGroup * 3);
        sums[row][part] = _mm256_add_epi32(sums[row][part], _mm256_madd_epi16(pixels, weights));
      }
    }
  }
  __m128i bytes[kRows];
  for (int row = 0; row < kRows; ++row) {
    __m256i halves[parts];
    for (int part = 0; part < parts; ++part) {
      const __m256i upper = _mm256_permute2x128_si256(sums[row][part], sums[row][part], 1);
      halves[part] = _mm256_add_epi32(sums[row][part], upper);
    }
    bytes[row] = _mm256_castsi256_si128(whole<split>(halves, precision));
  }
  const __m128i all = _mm_packus_epi16(_mm_packs_epi32(bytes[0], bytes[1]), _mm_packs_epi32(bytes[2], bytes[3]));
  alignas(16) uint8_t pixels[kRows][4];
  _mm_store_si128(reinterpret_cast<__m128i*>(pixels), all);
  for (int row = 0; row < kRows; ++row) std::memcpy(out[row], pixels[row], sizeof pixels[row]);
}

template <bool split>
void columns(const uint8_t* in, int64_t in_stride, int64_t rows, const Axis& axis, uint8_t* out, int64_t out_stride) {
  const int64_t step = axis.groups() * axis.parts();
  for (int64_t row = 0; row < rows; row += kRows) {
    for (int64_t x = 0; x < axis.out; ++x) {
      // Not more groups than the position has taps for: what is read behind a row stays within kRowSlack.
      const int64_t used = (axis.taps[static_cast<size_t>(x)] + kTapGroup - 1) / kTapGroup;
      const uint8_t* from[kRows];
      uint8_t* to[kRows];
      for (int r = 0; r < kRows; ++r) {
        const int64_t at = std::min(row + r, rows - 1);  // a last group may do the last row more than once
        from[r] = in + at * in_stride + axis.first[static_cast<size_t>(x)] * 3;
        to[r] = out + at * out_stride + x * 3;
      }
      weigh_pixel<split>(from, axis.packed.data() + x * step, used, axis.precision, to);
    }
  }
}

// ----------------------------------------------------------------------------------------------------------- rows

constexpr int64_t kBytes = 32;  ///< neighbouring bytes of one vector

/// The weights of taps j and j + 1, j even, in every lane.
template <bool split>
__m256i pair_at(const uint64_t* packed, int64_t j, int part) {
  const uint64_t four = packed[j / kTapGroup * (split ? 2 : 1) + part];
  return _mm256_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(j % kTapGroup == 0 ? four : four >> 32)));
}

/// 32 bytes of an output row.
template <bool split>
void weigh_bytes(const uint8_t* in, int64_t stride, const uint64_t* packed, int64_t taps, int precision, uint8_t* out) {
  constexpr int parts = split ? 2 : 1;
  const __m256i zero = _mm256_setzero_si256();
  __m256i sums[4][parts];
  for (auto& sum : sums) std::fill_n(sum, parts, zero);
  for (int64_t j = 0; j < taps; j += 2, in += 2 * stride) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
    const __m256i b = j + 1 < taps ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + stride)) : zero;
    const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
    const __m256i lanes[4] = {_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero),
                              _mm256_unpacklo_epi8(high, zero), _mm256_unpackhi_epi8(high, zero)};
    for (int part = 0; part < parts; ++part) {
      const __m256i weights = pair_at<split>(packed, j, part);
      for (int i = 0; i < 4; ++i) sums[i][part] = _mm256_add_epi32(sums[i][part], _mm256_madd_epi16(lanes[i], weights));
    }
  }
  const __m256i low = _mm256_packs_epi32(whole<split>(sums[0], precision), whole<split>(sums[1], precision));
  const __m256i high = _mm256_packs_epi32(whole<split>(sums[2], precision), whole<split>(sums[3], precision));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_packus_epi16(low, high));
}

template <bool split>
void rows_of(const uint8_t* in, int64_t stride, const Axis& axis, int64_t position, int64_t bytes, uint8_t* out) {
  const int64_t taps = axis.taps[static_cast<size_t>(position)];
  const uint64_t* packed = axis.packed.data() + position * axis.groups() * axis.parts();
  int64_t i = 0;
  for (; i + kBytes <= bytes; i += kBytes) weigh_bytes<split>(in + i, stride, packed, taps, axis.precision, out + i);
  if (i < bytes) plain::weigh_rows(in + i, stride, axis, position, bytes - i, out + i);
}

}  // namespace

void weigh_columns(const uint8_t* in, int64_t in_stride, int64_t rows, const Axis& axis, uint8_t* out,
                   int64_t out_stride) {
  (axis.rule == Weights::pillow ? columns<true> : columns<false>)(in, in_stride, rows, axis, out, out_stride);
}

void weigh_rows(const uint8_t* in, int64_t in_stride, const Axis& axis, int64_t position, int64_t bytes, uint8_t* out) {
  (axis.rule == Weights::pillow ? rows_of<true> : rows_of<false>)(in, in_stride, axis, position, bytes, out);
}

#else

void weigh_columns(const uint8_t* in, int64_t in_stride, int64_t rows, const Axis& axis, uint8_t* out,
                   int64_t out_stride) {
  plain::weigh_columns(in, in_stride, rows, axis, out, out_stride);
}

void weigh_rows(const uint8_t* in, int64_t in_stride, const Axis& axis, int64_t position, int64_t bytes, uint8_t* out) {
  plain::weigh_rows(in, in_stride, axis, position, bytes, out);
}

#endif

}  // namespace glmv
