// The pixels of usual PNG files: inflated in one piece by libdeflate, which is several times as fast as a decoder that
// works in steps, then unfiltered row by row.
#include <libdeflate.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "data/png.h"

namespace glmv {
namespace {

struct FreeInflater {
  void operator()(libdeflate_decompressor* p) const { libdeflate_free_decompressor(p); }
};

/// Exactly `size` bytes, or nothing. The data of all IDAT chunks is one stream.
std::unique_ptr<uint8_t[]> inflate(const PictureFile& file, const PngChunks& chunks, size_t size) {
  std::vector<uint8_t> joined;
  const uint8_t* from = nullptr;
  size_t packed = 0;
  if (chunks.pixels.size() == 1) {
    from = file.data + chunks.pixels[0].first, packed = chunks.pixels[0].second;
  } else {
    for (const auto& [at, length] : chunks.pixels) joined.insert(joined.end(), file.data + at, file.data + at + length);
    from = joined.data(), packed = joined.size();
  }
  const std::unique_ptr<libdeflate_decompressor, FreeInflater> inflater(libdeflate_alloc_decompressor());
  GLMV_CHECK(inflater, "no memory to inflate ", file.name);
  std::unique_ptr<uint8_t[]> raw(new uint8_t[size]);
  const libdeflate_result result = libdeflate_zlib_decompress(inflater.get(), from, packed, raw.get(), size, nullptr);
  return result == LIBDEFLATE_SUCCESS ? std::move(raw) : nullptr;
}

// -------------------------------------------------------------------------------------------------------- filters

/// Whichever of left, above and above-left is nearest to left + above - above-left; ties in this order.
int paeth(int left, int above, int corner) {
  const int from_left = std::abs(above - corner), from_above = std::abs(left - corner);
  const int from_corner = std::abs(left + above - 2 * corner);
  const int other = from_above <= from_corner ? above : corner;
  return from_left <= std::min(from_above, from_corner) ? left : other;
}

/// Undo a row's filter in place; `above` is the row before it, zeros for the first. False for an unknown filter.
template <int64_t step>
bool unfilter(int filter, int64_t bytes, const uint8_t* above, uint8_t* row) {
  const auto byte = [](int value) { return static_cast<uint8_t>(value); };
  const auto each_pixel = [&](auto predict) {
    int left[step] = {}, corner[step] = {};
    for (int64_t i = 0; i < bytes; i += step) {
      for (int64_t c = 0; c < step; ++c) {
        const int up = above[i + c];
        left[c] = row[i + c] = byte(row[i + c] + predict(left[c], up, corner[c]));
        corner[c] = up;
      }
    }
  };
  if (filter == 0) return true;
  if (filter == 2) {
    for (int64_t i = 0; i < bytes; ++i) row[i] = byte(row[i] + above[i]);
  } else if (filter == 1) {
    each_pixel([](int left, int, int) { return left; });
  } else if (filter == 3) {
    each_pixel([](int left, int up, int) { return (left + up) / 2; });
  } else if (filter == 4) {
    each_pixel(paeth);
  }
  return filter <= 4;
}

using Unfilter = bool (*)(int, int64_t, const uint8_t*, uint8_t*);

/// By channels of a pixel.
Unfilter unfilter_of(int64_t channels) {
  constexpr Unfilter kAll[] = {unfilter<1>, unfilter<2>, unfilter<3>, unfilter<4>};
  return kAll[channels - 1];
}

// --------------------------------------------------------------------------------------------------------- pixels

int64_t channels_of(uint8_t colour) {
  switch (colour) {
    case kPngGrey:
    case kPngPalette: return 1;
    case kPngGreyAlpha: return 2;
    case kPngRgb: return 3;
    case kPngRgba: return 4;
    default: return 0;
  }
}

/// A row without its alpha, grey three times, palette entries looked up. False for an entry that is not there.
bool to_rgb(const PictureFile& file, const PngChunks& chunks, const uint8_t* row, uint8_t* rgb) {
  const int64_t channels = channels_of(chunks.colour);
  if (channels == 3) {
    std::memcpy(rgb, row, static_cast<size_t>(chunks.width * 3));
    return true;
  }
  for (int64_t x = 0; x < chunks.width; ++x, row += channels, rgb += 3) {
    const uint8_t* from = row;
    if (chunks.colour == kPngPalette) {
      if (*row >= chunks.colours) return false;
      from = file.data + chunks.palette + size_t{3} * *row;
    }
    const bool is_grey = channels <= 2 && chunks.colour != kPngPalette;
    rgb[0] = from[0], rgb[1] = from[is_grey ? 0 : 1], rgb[2] = from[is_grey ? 0 : 2];
  }
  return true;
}

}  // namespace

std::optional<Image> read_usual_png(const PictureFile& file, const PngChunks& chunks) {
  const int64_t channels = channels_of(chunks.colour), bytes = chunks.width * channels;
  if (channels == 0 || chunks.bits != 8 || !chunks.is_plain) return std::nullopt;
  const std::unique_ptr<uint8_t[]> raw = inflate(file, chunks, static_cast<size_t>((bytes + 1) * chunks.height));
  if (!raw) return std::nullopt;
  Image image = make_image(file, chunks.width, chunks.height);
  const std::vector<uint8_t> zeros(static_cast<size_t>(bytes));
  const uint8_t* above = zeros.data();
  for (int64_t y = 0; y < chunks.height; ++y) {
    uint8_t* row = raw.get() + y * (bytes + 1) + 1;  // behind the byte that names its filter
    if (!unfilter_of(channels)(row[-1], bytes, above, row)) return std::nullopt;
    if (!to_rgb(file, chunks, row, image.rgb.data() + y * chunks.width * 3)) return std::nullopt;
    above = row;
  }
  return image;
}

}  // namespace glmv
