// GIF: the first picture of a file, as palette indices.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/picture_file.h"

namespace glmv {

struct Gif {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> indices;  ///< height * width; what the first picture leaves free is transparent, or entry 0
  std::vector<bool> free;        ///< height * width: outside the first picture
  bool beyond_screen = false;    ///< the first picture enlarges it
  std::array<std::array<uint8_t, 3>, 256> palette{};
  std::array<uint8_t, 3> background{};  ///< of the screen; black where it has no palette
  int transparent = -1;                 ///< index, or -1
};

/// As Pillow reads it: a picture beyond the screen enlarges it, a missing palette entry is black.
/// Error (exit code 3) for a file that ends early, for broken codes and for a picture with too few pixels.
Gif read_gif(const PictureFile& file);

}  // namespace glmv
