// Resampling of pictures, bit-equal to torchvision on the CPU and to Pillow.
//
// Antialiased bicubic (Keys, a = -1/2) is separable: width first, then height, bytes between the passes. Weights are
// doubles rounded to integers, so a pass is integer arithmetic and its result does not depend on threads or lanes.
// torchvision's have 15 bits with a binary point chosen per axis; Pillow's always have 22 fractional bits, and since
// version 13 it runs the height pass first where that leaves less to do.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/image.h"
#include "reference/core/parallel.h"

namespace glmv {

// ------------------------------------------------------------------------------------------------------- weights

namespace {

/// How each output position of one axis is made: sum over taps of in[first + j] * weight[j] / 2^precision.
struct Axis {
  int64_t most_taps = 0;
  int precision = 0;
  std::vector<int64_t> first;
  std::vector<int64_t> taps;
  std::vector<int32_t> weight;  ///< most_taps per output position
};

enum class Weights { torchvision, pillow };

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
std::vector<double> real_weights(int64_t in, int64_t out, Weights rule, Axis& axis) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0), support = 2 * filter_scale, inverse = 1 / filter_scale;
  axis.most_taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  std::vector<double> weight(static_cast<size_t>(out * axis.most_taps), 0.0);
  for (int64_t i = 0; i < out; ++i) {
    const double center = scale * (static_cast<double>(i) + 0.5);
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(std::floor(center - support + 0.5)), 0);
    const int64_t end = std::min(static_cast<int64_t>(std::floor(center + support + 0.5)), in);
    const int64_t taps = std::clamp<int64_t>(end - first, 0, axis.most_taps);
    double* w = weight.data() + i * axis.most_taps;
    double total = 0;
    for (int64_t j = 0; j < taps; ++j) {
      w[j] = cubic((static_cast<double>(j + first) - center + 0.5) * inverse, rule);
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

Axis make_axis(int64_t in, int64_t out, Weights rule) {
  Axis axis;
  const std::vector<double> real = real_weights(in, out, rule, axis);
  axis.precision = rule == Weights::pillow ? kMostPrecision : best_precision(real);
  axis.weight.reserve(real.size());
  for (const double w : real) {
    const double scaled = std::ldexp(w, axis.precision);
    axis.weight.push_back(static_cast<int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5)));
  }
  return axis;
}

// -------------------------------------------------------------------------------------------------------- passes

constexpr int64_t kStripRows = 16;
constexpr int64_t kLanes = kStripRows * 3;

uint8_t rounded_byte(int32_t sum, int precision) {
  return static_cast<uint8_t>(std::clamp<int32_t>(sum >> precision, 0, 255));
}

/// out[lane] for `lanes` neighbouring bytes; tap j reads `stride` bytes further on. A constant count of lanes
/// becomes vector instructions. Sums fit: 255 * 2^22 * (sum of |weights|, below 1.4) < 2^31.
inline void weigh(const uint8_t* in, int64_t stride, const Axis& axis, int64_t position, int64_t lanes, uint8_t* out) {
  const int32_t* weight = axis.weight.data() + position * axis.most_taps;
  const int64_t taps = axis.taps[static_cast<size_t>(position)];
  int32_t sum[kLanes];
  for (int64_t lane = 0; lane < lanes; ++lane) sum[lane] = (1 << axis.precision) >> 1;
  for (int64_t j = 0; j < taps; ++j, in += stride) {
    const int32_t w = weight[j];
    for (int64_t lane = 0; lane < lanes; ++lane) sum[lane] += in[lane] * w;
  }
  for (int64_t lane = 0; lane < lanes; ++lane) out[lane] = rounded_byte(sum[lane], axis.precision);
}

/// Up to 16 rows side by side: strip[x][row] is a pixel, so that a tap along the row is 48 neighbouring bytes.
void rows_to_strip(const uint8_t* rows, int64_t width, int64_t count, uint8_t* strip) {
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t x = 0; x < width; ++x) std::memcpy(strip + x * kLanes + row * 3, rows + (row * width + x) * 3, 3);
  }
}
void strip_to_rows(const uint8_t* strip, int64_t width, int64_t count, uint8_t* rows) {
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t x = 0; x < width; ++x) std::memcpy(rows + (row * width + x) * 3, strip + x * kLanes + row * 3, 3);
  }
}

Image blank(int64_t width, int64_t height) {
  Image image{width, height, {}};
  image.rgb.resize(static_cast<size_t>(width * height * 3));
  return image;
}

Image resize_width(const Image& in, int64_t width, Weights rule) {
  const Axis axis = make_axis(in.width, width, rule);
  Image out = blank(width, in.height);
  parallel_for((in.height + kStripRows - 1) / kStripRows, 64 * kStripRows * in.width, [&](int64_t block) {
    const int64_t row = block * kStripRows, count = std::min(kStripRows, in.height - row);
    std::vector<uint8_t> from(static_cast<size_t>(in.width * kLanes)), to(static_cast<size_t>(width * kLanes));
    rows_to_strip(in.rgb.data() + row * in.width * 3, in.width, count, from.data());
    for (int64_t x = 0; x < width; ++x) {
      const int64_t first = axis.first[static_cast<size_t>(x)];
      weigh(from.data() + first * kLanes, kLanes, axis, x, kLanes, to.data() + x * kLanes);
    }
    strip_to_rows(to.data(), width, count, out.rgb.data() + row * width * 3);
  });
  return out;
}

Image resize_height(const Image& in, int64_t height, Weights rule) {
  const Axis axis = make_axis(in.height, height, rule);
  Image out = blank(in.width, height);
  const int64_t bytes = in.width * 3;
  parallel_for(height, 64 * in.width, [&](int64_t y) {
    const uint8_t* from = in.rgb.data() + axis.first[static_cast<size_t>(y)] * bytes;
    uint8_t* to = out.rgb.data() + y * bytes;
    int64_t x = 0;
    for (; x + kLanes <= bytes; x += kLanes) weigh(from + x, bytes, axis, y, kLanes, to + x);
    if (x < bytes) weigh(from + x, bytes, axis, y, bytes - x, to + x);
  });
  return out;
}

Image resize(const Image& image, Size target, Weights rule, bool height_first) {
  GLMV_CHECK(image.width > 0 && image.height > 0 && target.width > 0 && target.height > 0, image.width, "x",
             image.height, " to ", target.width, "x", target.height);
  GLMV_CHECK(static_cast<int64_t>(image.rgb.size()) == image.width * image.height * 3, image.rgb.size(), " bytes for ",
             image.width, "x", image.height);
  if (image.width == target.width) {
    return image.height == target.height ? image : resize_height(image, target.height, rule);
  }
  if (image.height == target.height) return resize_width(image, target.width, rule);
  if (height_first) return resize_width(resize_height(image, target.height, rule), target.width, rule);
  return resize_height(resize_width(image, target.width, rule), target.height, rule);
}

}  // namespace

Image resize_torchvision(const Image& image, Size target) { return resize(image, target, Weights::torchvision, false); }

Image resize_pillow(const Image& image, Size target, ImageBackend version) {
  const int64_t lost_rows = image.height - target.height, lost_columns = image.width - target.width;
  const bool height_first = version == ImageBackend::pillow && lost_rows > 0 && lost_rows > 2 * lost_columns;
  return resize(image, target, Weights::pillow, height_first);
}

}  // namespace glmv
