// One reader per picture format; image_decode.cc chooses. Each gets a whole file whose first bytes are the format's and
// gives an upright picture, or an Error (exit code 3) that names file and reason.
#pragma once

#include <algorithm>
#include <array>

#include "data/picture_file.h"

namespace glmv {

Image read_jpeg(const PictureFile& file, ImageBackend backend);
Image read_png(const PictureFile& file, ImageBackend backend);
Image read_webp(const PictureFile& file, ImageBackend backend);
Image read_bmp(const PictureFile& file);

/// By stb_image, which takes a file for what it is (PNG or BMP) and checks little: the caller has checked what it must.
Image read_stb(const PictureFile& file, const char* format);
/// The same for a PNG of 16 bits: scaled to 8 bits and rounded, or grey cut off at 255 as Pillow does.
Image read_scaled_png(const PictureFile& file);
Image read_clipped_grey(const PictureFile& file);

/// "Exif" and two zeros stand before the TIFF structure in a JPEG, and in a WebP by some writers.
constexpr size_t kExifPrefix = 6;

using Colour = std::array<uint8_t, 3>;

/// Pillow's compositing on white where one colour is transparent and the rest opaque.
inline void whiten(Image& image, const Colour& transparent) {
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    if (std::equal(transparent.begin(), transparent.end(), &image.rgb[i])) std::fill_n(&image.rgb[i], 3, uint8_t{255});
  }
}

}  // namespace glmv
