// What the chunks of a PNG say, and its pixels where they are of a usual kind.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "data/picture_formats.h"

namespace glmv {

constexpr uint8_t kPngGrey = 0, kPngRgb = 2, kPngPalette = 3, kPngGreyAlpha = 4, kPngRgba = 6;

/// What the chunks of a PNG say besides its pixels.
struct PngChunks {
  int64_t width = 0, height = 0;
  uint8_t bits = 0, colour = 0;                     ///< as in the header
  bool is_plain = false;                            ///< the header's methods are 0: no interlacing, the one compression
  bool has_exif = false;                            ///< there is an eXIf chunk
  int orientation = 0;                              ///< of one before the pixels, or none
  int orientation_anywhere = 0;                     ///< of one that may follow them
  size_t palette = 0, colours = 0;                  ///< offset and entries of PLTE
  size_t transparency = 0, transparent_bytes = 0;   ///< offset and length of tRNS
  std::vector<std::pair<size_t, size_t>> pixels{};  ///< offset and length of every IDAT
  std::vector<std::pair<size_t, size_t>> texts{};   ///< offset of the type of every tEXt, zTXt and iTXt, and its length
};

/// Walks the chunks and looks at their checksums, which no decoder here does.
PngChunks check_png(const PictureFile& file);

/// Pixels of 8 bits a channel that are not interlaced. Nothing for any other kind, nor where the data is not exactly
/// the rows that the header announces or uses a colour the palette does not have: what to make of such a file is left
/// to the decoder for all kinds.
std::optional<Image> read_usual_png(const PictureFile& file, const PngChunks& chunks);

/// Orientation in an EXIF block that is written as text ("Raw profile type exif", as ImageMagick has it), and in an XMP
/// packet; kNoOrientation if there is none, or none that can be read.
int png_text_exif(const PictureFile& file, const PngChunks& chunks);
int png_text_xmp(const PictureFile& file, const PngChunks& chunks);

}  // namespace glmv
