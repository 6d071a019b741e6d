// A picture file as it was handed over: untrusted bytes that are asked "is it there?" before "what is it?".
#pragma once

#include <cstring>
#include <string>

#include "data/image.h"
#include "reference/core/error.h"

namespace glmv {

/// The file as it was handed over.
struct PictureFile {
  const uint8_t* data;
  size_t size;
  const std::string& name;

  bool starts_with(const char* text, size_t count, size_t offset = 0) const {
    return has(offset, count) && std::memcmp(data + offset, text, count) == 0;
  }
  bool has(size_t offset, size_t count) const { return offset <= size && count <= size - offset; }
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    input_error(name, ": ", parts...);
  }
  /// Fails unless `count` bytes exist at `offset`.
  void need(size_t offset, size_t count, const char* what) const {
    if (has(offset, count)) return;
    fail(what, " needs ", count, " bytes at offset ", offset, ", but the file has ", size, " bytes (truncated?)");
  }
  uint32_t little(size_t offset, size_t count) const {
    uint32_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | data[offset + i];
    return value;
  }
  uint32_t big32(size_t offset) const {
    return uint32_t{data[offset]} << 24 | uint32_t{data[offset + 1]} << 16 | uint32_t{data[offset + 2]} << 8 |
           data[offset + 3];
  }
};

inline void check_size(const PictureFile& file, int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) file.fail("a picture of ", width, "x", height, " pixels");
  if (height > kMostPixels / width) file.fail(width, "x", height, " is more than ", kMostPixels, " pixels");
}

inline Image make_image(const PictureFile& file, int64_t width, int64_t height) {
  check_size(file, width, height);
  Image image{width, height, {}};
  image.rgb.resize(static_cast<size_t>(width * height * 3));
  return image;
}

}  // namespace glmv
