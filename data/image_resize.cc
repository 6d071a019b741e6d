// Resampling of pictures, bit-equal to torchvision on the CPU and to Pillow.
//
// Antialiased bicubic is separable: width first, then height, bytes between the passes. Pillow runs the height pass
// first since version 13 where that leaves less to do. A block of output rows takes only the input rows it needs
// through the width pass, into a buffer that stays in the cache; where blocks meet, a few rows are done twice.
#include <algorithm>
#include <cstring>
#include <memory>

#include "data/image.h"
#include "data/resample.h"
#include "reference/core/parallel.h"

namespace glmv {

namespace {

constexpr int64_t kBlockRows = 64;

Image blank(int64_t width, int64_t height) {
  Image image{width, height, {}};
  image.rgb.resize(static_cast<size_t>(width * height * 3));
  return image;
}

/// Rows that have been through the width pass.
struct RowBuffer {
  int64_t stride;
  std::unique_ptr<uint8_t[]> bytes;

  RowBuffer(int64_t width, int64_t rows)
      : stride(width * 3 + kRowSlack), bytes(new uint8_t[static_cast<size_t>(stride * rows + kRowSlack)]) {}
};

/// Rows [first, first + rows) of a picture through the width pass. The last one of the picture is read from a copy:
/// there is nothing behind it that may be read.
RowBuffer narrowed(const Image& in, const Axis& axis, int64_t first, int64_t rows) {
  RowBuffer out(axis.out, rows);
  const int64_t stride = in.width * 3;
  const uint8_t* from = in.rgb.data() + first * stride;
  const bool has_last = first + rows == in.height;
  const int64_t inside = has_last ? rows - 1 : rows;
  if (inside > 0) weigh_columns(from, stride, inside, axis, out.bytes.get(), out.stride);
  if (has_last) {
    const std::unique_ptr<uint8_t[]> last(new uint8_t[static_cast<size_t>(stride + kRowSlack)]());
    std::memcpy(last.get(), from + inside * stride, static_cast<size_t>(stride));
    weigh_columns(last.get(), stride, 1, axis, out.bytes.get() + inside * out.stride, out.stride);
  }
  return out;
}

/// f(first, end) for blocks of output rows; `work` is about how many operations one row takes.
template <class F>
void for_blocks(int64_t rows, int64_t work, F f) {
  parallel_for((rows + kBlockRows - 1) / kBlockRows, work * kBlockRows,
               [&](int64_t block) { f(block * kBlockRows, std::min(rows, (block + 1) * kBlockRows)); });
}

Image resize_width(const Image& in, int64_t width, Weights rule) {
  const Axis axis = make_axis(in.width, width, rule);
  Image out = blank(width, in.height);
  for_blocks(in.height, 64 * in.width, [&](int64_t first, int64_t end) {
    const RowBuffer rows = narrowed(in, axis, first, end - first);
    for (int64_t y = first; y < end; ++y) {
      std::memcpy(out.rgb.data() + y * width * 3, rows.bytes.get() + (y - first) * rows.stride,
                  static_cast<size_t>(width * 3));
    }
  });
  return out;
}

Image resize_height(const Image& in, int64_t height, Weights rule) {
  const Axis axis = make_axis(in.height, height, rule);
  Image out = blank(in.width, height);
  const int64_t bytes = in.width * 3;
  for_blocks(height, 64 * in.width, [&](int64_t first, int64_t end) {
    for (int64_t y = first; y < end; ++y) {
      const uint8_t* from = in.rgb.data() + axis.first[static_cast<size_t>(y)] * bytes;
      weigh_rows(from, bytes, axis, y, bytes, out.rgb.data() + y * bytes);
    }
  });
  return out;
}

Image resize_both(const Image& in, Size target, Weights rule) {
  const Axis columns = make_axis(in.width, target.width, rule), rows = make_axis(in.height, target.height, rule);
  Image out = blank(target.width, target.height);
  const int64_t bytes = target.width * 3;
  for_blocks(target.height, 64 * (in.width + target.width), [&](int64_t first, int64_t end) {
    const int64_t top = rows.first[static_cast<size_t>(first)];
    const auto last = static_cast<size_t>(end - 1);
    const RowBuffer between = narrowed(in, columns, top, rows.first[last] + rows.taps[last] - top);
    for (int64_t y = first; y < end; ++y) {
      const uint8_t* from = between.bytes.get() + (rows.first[static_cast<size_t>(y)] - top) * between.stride;
      weigh_rows(from, between.stride, rows, y, bytes, out.rgb.data() + y * bytes);
    }
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
  return resize_both(image, target, rule);
}

}  // namespace

Image resize_torchvision(const Image& image, Size target) { return resize(image, target, Weights::torchvision, false); }

Image resize_pillow(const Image& image, Size target, ImageBackend version) {
  const int64_t lost_rows = image.height - target.height, lost_columns = image.width - target.width;
  const bool height_first = version == ImageBackend::pillow && lost_rows > 0 && lost_rows > 2 * lost_columns;
  return resize(image, target, Weights::pillow, height_first);
}

}  // namespace glmv
