// Target size and resampling of pictures, bit-equal to torchvision on the CPU.
//
// Antialiased bicubic (Keys, a = -1/2) is separable: width first, then height, bytes between the passes. Weights are
// doubles rounded to 15-bit integers with a binary point chosen per axis, so a pass is integer arithmetic and its
// result does not depend on threads or lanes. Not here: Pillow's rule, which keeps 22 fractional bits and since
// version 13 sometimes runs the height pass first.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/image.h"
#include "reference/core/parallel.h"

namespace glmv {

// ---------------------------------------------------------------------------------------------------- target size

namespace {

/// The multiple of `step` nearest to n; halves go to the even multiple, as in Python.
int64_t nearest_multiple(int64_t n, int64_t step) {
  const double multiples = std::nearbyint(static_cast<double>(n) / static_cast<double>(step));
  return static_cast<int64_t>(multiples) * step;
}

/// A picture with a side below one merged patch grows until the side fits.
void grow_to_one_patch(int64_t& height, int64_t& width, int64_t factor) {
  if (height >= factor && width >= factor) return;
  const double f = static_cast<double>(factor);
  const double scale = std::max(f / static_cast<double>(height), f / static_cast<double>(width));
  height = static_cast<int64_t>(static_cast<double>(height) * scale);
  width = static_cast<int64_t>(static_cast<double>(width) * scale);
}

/// height, width: what the ratio is taken of; the message tells the picture as it came.
void check_aspect_ratio(int64_t height, int64_t width, const Size& original) {
  constexpr double kLargestRatio = 200;
  const double ratio = static_cast<double>(std::max(height, width)) / static_cast<double>(std::min(height, width));
  if (ratio > kLargestRatio) {
    input_error("picture of ", original.width, "x", original.height, " pixels: its aspect ratio ", ratio,
                " is above 200");
  }
}

/// No picture becomes larger than the largest that is read.
void check_target(const Size& size, const Size& original, const ImageConfig& config) {
  if (size.height <= kMostPixels / size.width) return;
  input_error("picture of ", original.width, 'x', original.height, " pixels: would be resized to ", size.width, 'x',
              size.height, ", more than ", kMostPixels, " pixels (patch_size ", config.patch_size, ", merge_size ",
              config.merge_size, ", size.shortest_edge ", config.min_volume, ", longest_edge ", config.max_volume, ')');
}

}  // namespace

Size smart_resize(int64_t frames, int64_t height, int64_t width, const ImageConfig& config) {
  GLMV_CHECK(height > 0 && width > 0, "height ", height, " width ", width);
  GLMV_CHECK(config.patch_size > 0 && config.merge_size > 0 && config.temporal_patch_size > 0, "patch ",
             config.patch_size, " merge ", config.merge_size, " temporal ", config.temporal_patch_size);
  if (frames < config.temporal_patch_size) {
    input_error("number of frames ", frames, ": at least the ", config.temporal_patch_size,
                " of a temporal patch are needed");
  }
  const Size original{height, width};
  const int64_t factor = config.patch_size * config.merge_size;
  grow_to_one_patch(height, width, factor);
  check_aspect_ratio(height, width, original);

  // The test uses the rounded volume, the scale the unrounded one: the library does so, and it shows in the result.
  Size size{nearest_multiple(height, factor), nearest_multiple(width, factor)};
  const int64_t rounded_volume = nearest_multiple(frames, config.temporal_patch_size) * size.height * size.width;
  const double volume = static_cast<double>(frames * height * width);
  const double h = static_cast<double>(height), w = static_cast<double>(width), f = static_cast<double>(factor);
  if (rounded_volume > config.max_volume) {
    const double shrink = std::sqrt(volume / static_cast<double>(config.max_volume));
    size.height = std::max(factor, static_cast<int64_t>(std::floor(h / shrink / f)) * factor);
    size.width = std::max(factor, static_cast<int64_t>(std::floor(w / shrink / f)) * factor);
  } else if (rounded_volume < config.min_volume) {
    const double grow = std::sqrt(static_cast<double>(config.min_volume) / volume);
    size.height = static_cast<int64_t>(std::ceil(h * grow / f)) * factor;
    size.width = static_cast<int64_t>(std::ceil(w * grow / f)) * factor;
  }
  check_target(size, original, config);
  return size;
}

// ------------------------------------------------------------------------------------------------------- weights

namespace {

/// How each output position of one axis is made: sum over taps of in[first + j] * weight[j] / 2^precision.
struct Axis {
  int64_t most_taps = 0;
  int precision = 0;
  std::vector<int64_t> first;
  std::vector<int64_t> taps;
  std::vector<int16_t> weight;  ///< most_taps per output position
};

/// Keys' cubic kernel with a = -1/2, each polynomial in the library's order of operations.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// Normalised weights in double; fills first and taps.
std::vector<double> real_weights(int64_t in, int64_t out, Axis& axis) {
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
      w[j] = cubic((static_cast<double>(j + first) - center + 0.5) * inverse);
      total += w[j];
    }
    for (int64_t j = 0; j < taps; ++j) w[j] /= total;
    axis.first.push_back(first);
    axis.taps.push_back(taps);
  }
  return weight;
}

/// The most fractional bits, 22 at most, with which the largest weight still fits 16 bits.
int best_precision(const std::vector<double>& weight) {
  const double largest = *std::max_element(weight.begin(), weight.end());
  int precision = 22;
  while (precision > 0 && std::floor(0.5 + std::ldexp(largest, precision)) >= (1 << 15)) --precision;
  return precision;
}

Axis make_axis(int64_t in, int64_t out) {
  Axis axis;
  const std::vector<double> real = real_weights(in, out, axis);
  axis.precision = best_precision(real);
  axis.weight.reserve(real.size());
  for (const double w : real) {
    const double scaled = std::ldexp(w, axis.precision);
    axis.weight.push_back(static_cast<int16_t>(scaled + (scaled < 0 ? -0.5 : 0.5)));
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
  const int16_t* weight = axis.weight.data() + position * axis.most_taps;
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

Image resize_width(const Image& in, int64_t width) {
  const Axis axis = make_axis(in.width, width);
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

Image resize_height(const Image& in, int64_t height) {
  const Axis axis = make_axis(in.height, height);
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

}  // namespace

Image resize_torchvision(const Image& image, Size target) {
  GLMV_CHECK(image.width > 0 && image.height > 0 && target.width > 0 && target.height > 0, image.width, "x",
             image.height, " to ", target.width, "x", target.height);
  GLMV_CHECK(static_cast<int64_t>(image.rgb.size()) == image.width * image.height * 3, image.rgb.size(), " bytes for ",
             image.width, "x", image.height);
  if (image.width == target.width) return image.height == target.height ? image : resize_height(image, target.height);
  if (image.height == target.height) return resize_width(image, target.width);
  return resize_height(resize_width(image, target.width), target.height);
}

}  // namespace glmv
