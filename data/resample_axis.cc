#include <algorithm>
#include <cmath>

#include "data/resample.h"

namespace glmv {

namespace {

/// Keys' cubic kernel with a = -1/2, each polynomial in its library's order of operations.
double cubic(double x, Weights rule) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x >= 2) return 0;
  if (rule == Weights::pillow) return (((x - 5) * x + 8) * x - 4) * a;
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

/// Normalised weights in double; fills first and taps.
std::vector<double> real_weights(Axis& axis) {
  const double scale = static_cast<double>(axis.in) / static_cast<double>(axis.out);
  const double filter_scale = std::max(scale, 1.0), support = 2 * filter_scale, inverse = 1 / filter_scale;
  axis.most_taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  std::vector<double> weight(static_cast<size_t>(axis.out * axis.most_taps), 0.0);
  for (int64_t i = 0; i < axis.out; ++i) {
    const double center = scale * (static_cast<double>(i) + 0.5);
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(std::floor(center - support + 0.5)), 0);
    const int64_t end = std::min(static_cast<int64_t>(std::floor(center + support + 0.5)), axis.in);
    const int64_t taps = std::clamp<int64_t>(end - first, 0, axis.most_taps);
    double* w = weight.data() + i * axis.most_taps;
    double total = 0;
    for (int64_t j = 0; j < taps; ++j) {
      w[j] = cubic((static_cast<double>(j + first) - center + 0.5) * inverse, axis.rule);
      total += w[j];
    }
    for (int64_t j = 0; j < taps; ++j) w[j] /= total;
    axis.first.push_back(first);
    axis.taps.push_back(taps);
  }
  return weight;
}

constexpr int kMostPrecision = 22;

/// torchvision: the most fractional bits, 22 at most, with which the largest weight still fits 16 bits.
int best_precision(const std::vector<double>& weight) {
  const double largest = *std::max_element(weight.begin(), weight.end());
  int precision = kMostPrecision;
  while (precision > 0 && std::floor(0.5 + std::ldexp(largest, precision)) >= (1 << 15)) --precision;
  return precision;
}

uint64_t pack_four(const Axis& axis, int64_t position, int64_t group, int64_t part) {
  uint64_t four = 0;
  for (int64_t j = kTapGroup; j-- > 0;) {
    const int64_t tap = group * kTapGroup + j;
    const int32_t weight = tap < axis.most_taps ? axis.weights_of(position)[tap] : 0;
    const int32_t low = weight & ((1 << kLowBits) - 1), high = weight >> kLowBits;
    const int32_t value = axis.parts() == 1 ? weight : part == 0 ? low : high;
    four = four << 16 | (static_cast<uint32_t>(value) & 0xffffu);
  }
  return four;
}

void pack(Axis& axis) {
  axis.packed.reserve(static_cast<size_t>(axis.out * axis.groups() * axis.parts()));
  for (int64_t i = 0; i < axis.out; ++i) {
    for (int64_t group = 0; group < axis.groups(); ++group) {
      for (int64_t part = 0; part < axis.parts(); ++part) axis.packed.push_back(pack_four(axis, i, group, part));
    }
  }
}

}  // namespace

Axis make_axis(int64_t in, int64_t out, Weights rule) {
  Axis axis;
  axis.rule = rule, axis.in = in, axis.out = out;
  const std::vector<double> real = real_weights(axis);
  axis.precision = rule == Weights::pillow ? kMostPrecision : best_precision(real);
  axis.weight.reserve(real.size());
  for (const double w : real) {
    const double scaled = std::ldexp(w, axis.precision);
    axis.weight.push_back(static_cast<int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5)));
  }
  pack(axis);
  return axis;
}

}  // namespace glmv
