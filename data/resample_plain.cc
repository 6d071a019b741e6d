#include <algorithm>

#include "data/resample.h"

namespace glmv::plain {

namespace {

/// Sums fit: 255 * 2^22 * (sum of |weights|, below 1.4) < 2^31.
uint8_t weighed(const uint8_t* in, int64_t stride, const Axis& axis, int64_t position) {
  int32_t sum = (1 << axis.precision) >> 1;
  const int32_t* weight = axis.weights_of(position);
  for (int64_t j = 0; j < axis.taps[static_cast<size_t>(position)]; ++j) sum += in[j * stride] * weight[j];
  return static_cast<uint8_t>(std::clamp<int32_t>(sum >> axis.precision, 0, 255));
}

}  // namespace

void weigh_columns(const uint8_t* in, int64_t in_stride, int64_t rows, const Axis& axis, uint8_t* out,
                   int64_t out_stride) {
  for (int64_t row = 0; row < rows; ++row, in += in_stride, out += out_stride) {
    for (int64_t x = 0; x < axis.out; ++x) {
      const uint8_t* from = in + axis.first[static_cast<size_t>(x)] * 3;
      for (int64_t c = 0; c < 3; ++c) out[x * 3 + c] = weighed(from + c, 3, axis, x);
    }
  }
}

void weigh_rows(const uint8_t* in, int64_t in_stride, const Axis& axis, int64_t position, int64_t bytes, uint8_t* out) {
  for (int64_t i = 0; i < bytes; ++i) out[i] = weighed(in + i, in_stride, axis, position);
}

}  // namespace glmv::plain
