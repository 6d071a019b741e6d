// One axis of a resize: weights of every output position, and the two passes that apply them to 8-bit RGB.
//
// torchvision's weights have 15 bits with a binary point chosen per axis, Pillow's always 22 fractional bits. Sums are
// 32-bit integers, so their order does not matter: the passes have the same bits on every machine.
#pragma once

#include <cstdint>
#include <vector>

namespace glmv {

enum class Weights { torchvision, pillow };

/// Taps whose weights are used together.
constexpr int64_t kTapGroup = 4;
/// Pillow's 22-bit weights do not fit 16 bits: they are split, w = high * 2^11 + low with 0 <= low < 2^11.
constexpr int kLowBits = 11;

/// How each output position of one axis is made: sum over taps of in[first + j] * weight[j] / 2^precision.
struct Axis {
  Weights rule = Weights::torchvision;
  int64_t in = 0, out = 0;
  int64_t most_taps = 0;
  int precision = 0;
  std::vector<int64_t> first;
  std::vector<int64_t> taps;
  std::vector<int32_t> weight;  ///< most_taps per output position, 0 behind its taps

  /// Per output position and group of taps four 16-bit weights, the first one lowest; with Pillow's rule the low parts,
  /// then the high parts.
  std::vector<uint64_t> packed;

  int64_t parts() const { return rule == Weights::pillow ? 2 : 1; }
  int64_t groups() const { return (most_taps + kTapGroup - 1) / kTapGroup; }
  const int32_t* weights_of(int64_t position) const { return weight.data() + position * most_taps; }
};

/// Antialiased bicubic (Keys, a = -1/2) from `in` to `out` positions, rounded as the rule says.
Axis make_axis(int64_t in, int64_t out, Weights rule);

/// Bytes that must be readable and writable behind the last row handed to weigh_columns.
constexpr int64_t kRowSlack = 32;

/// `rows` rows of axis.in pixels -> rows of axis.out pixels; strides in bytes. What lies between rows is overwritten.
/// Reads and writes up to kRowSlack bytes behind a row.
void weigh_columns(const uint8_t* in, int64_t in_stride, int64_t rows, const Axis& axis, uint8_t* out,
                   int64_t out_stride);

/// Output row `position` from its rows of `bytes` bytes; `in` is the first of these rows.
void weigh_rows(const uint8_t* in, int64_t in_stride, const Axis& axis, int64_t position, int64_t bytes, uint8_t* out);

/// The same one byte at a time: what runs without AVX2, and what the tests compare the above with.
namespace plain {
void weigh_columns(const uint8_t* in, int64_t in_stride, int64_t rows, const Axis& axis, uint8_t* out,
                   int64_t out_stride);
void weigh_rows(const uint8_t* in, int64_t in_stride, const Axis& axis, int64_t position, int64_t bytes, uint8_t* out);
}  // namespace plain

}  // namespace glmv
