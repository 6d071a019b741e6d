// What stb_image and stb_image_write do: BMP, the rarer kinds of PNG, and pictures to PNG.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "data/file.h"
#include "data/picture_formats.h"

#ifndef __clang_analyzer__  // it imagines leaks and pictures of no pixels in there; write_png refuses the latter
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#endif
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#include <stb/stb_image.h>

#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace glmv {

Image read_stb(const PictureFile& file, const char* format) {
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(file.data, static_cast<int>(file.size), &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) file.fail(format, ": ", stbi_failure_reason());
  Image image = make_image(file, width, height);
  std::memcpy(image.rgb.data(), pixels.get(), image.rgb.size());
  return image;
}

namespace {

/// A PNG of 16 bits, each sample of red, green and blue through `to_8_bits`.
template <class To8Bits>
Image read_wide_png(const PictureFile& file, To8Bits to_8_bits) {
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_us, decltype(&stbi_image_free)> pixels(
      stbi_load_16_from_memory(file.data, static_cast<int>(file.size), &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) file.fail("PNG: ", stbi_failure_reason());
  Image image = make_image(file, width, height);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(to_8_bits(pixels.get()[i]));
  return image;
}

}  // namespace

/// As torchcodec has libpng do it; torchvision's own decoder gives 16 bits on, which nothing behind it is made for.
Image read_scaled_png(const PictureFile& file) {
  return read_wide_png(file, [](uint32_t v) { return (v * 255 + 32895) >> 16; });
}

/// Pillow cuts 16-bit grey off at 255, so that nearly all of it is white; the library's other decoders do not.
Image read_clipped_grey(const PictureFile& file) {
  return read_wide_png(file, [](uint32_t v) { return std::min(v, 255u); });
}

namespace {

/// stb reads zeros beyond the end of a BMP and has no run-length decoder, so the rows of pixels can be counted here.
void check_bmp(const PictureFile& file) {
  file.need(0, 26, "BMP: the header");
  const bool is_old = file.little(14, 4) == 12;  // OS/2: 16-bit sizes
  if (!is_old) file.need(0, 34, "BMP: the header");
  const uint32_t compression = is_old ? 0 : file.little(30, 4);
  if (compression == 1 || compression == 2) file.fail("BMP: run-length compression is not supported");
  const size_t bits = file.little(is_old ? 24 : 28, 2);
  const size_t width = file.little(18, is_old ? 2 : 4);
  const auto signed_height = static_cast<int32_t>(file.little(is_old ? 20 : 22, is_old ? 2 : 4));
  const size_t height = static_cast<size_t>(std::llabs(signed_height));
  check_size(file, static_cast<int64_t>(width), static_cast<int64_t>(height));
  const size_t row = (width * bits + 31) / 32 * 4, last_row = (width * bits + 7) / 8;
  file.need(file.little(10, 4), row * (height - 1) + last_row, "BMP: the pixel data");
}

}  // namespace

Image read_bmp(const PictureFile& file) {
  check_bmp(file);
  return read_stb(file, "BMP");
}

void write_png(const std::string& path, const Image& image) {
  GLMV_CHECK(image.width > 0 && image.height > 0 && image.width <= INT32_MAX / 3 && image.height <= INT32_MAX,
             image.width, "x", image.height);
  GLMV_CHECK(static_cast<int64_t>(image.rgb.size()) == image.width * image.height * 3, image.rgb.size(), " bytes for ",
             image.width, "x", image.height);
  std::vector<char> png;
  const auto append = [](void* to, void* data, int size) {
    const char* first = static_cast<const char*>(data);
    static_cast<std::vector<char>*>(to)->insert(static_cast<std::vector<char>*>(to)->end(), first, first + size);
  };
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  const bool packed = stbi_write_png_to_func(append, &png, width, height, 3, image.rgb.data(), width * 3) != 0;
  GLMV_CHECK(packed, image.width, "x", image.height);
  OutputFile file(path, Devices::refused);
  file.write(png.data(), png.size());
  file.commit();
}

}  // namespace glmv
