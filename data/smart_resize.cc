// The size that a picture or a clip is resized to, in the library's own arithmetic.
#include <algorithm>
#include <cmath>

#include "data/image.h"

namespace glmv {

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

}  // namespace glmv
