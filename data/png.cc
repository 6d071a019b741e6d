// PNG: its chunks, what Pillow makes of transparency, and the way to the pixels.
//
// EXIF orientation is looked for where torchcodec, the library's first choice of decoder, looks: an eXIf chunk before
// the pixels.
#include "data/png.h"

#include <libdeflate.h>

#include "data/exif.h"

namespace glmv {
namespace {

void note_chunk(const PictureFile& file, size_t at, size_t length, PngChunks& chunks) {
  const auto is = [&](const char* type) { return file.starts_with(type, 4, at + 4); };
  const size_t data = at + 8;
  if (is("PLTE")) chunks.palette = data, chunks.colours = length / 3;
  if (is("tRNS")) chunks.transparency = data, chunks.transparent_bytes = length;
  if (is("tEXt") || is("zTXt") || is("iTXt")) chunks.texts.emplace_back(at + 4, length);
  if (!is("eXIf")) return;
  chunks.has_exif = true;
  const int orientation = exif_orientation(file.data + data, length);
  chunks.orientation_anywhere = orientation;
  if (chunks.pixels.empty()) chunks.orientation = orientation;
}

/// The colour that Pillow replaces by white: it keeps a tRNS chunk of one colour through its conversion to RGB and
/// compares colours, not indices. A palette of several levels of alpha is dropped. Values are not scaled to 8 bits, as
/// pixels are, and a grey value of 1 or 16 bits is taken for the red of a colour without green and blue.
std::optional<Colour> transparent_colour(const PictureFile& file, const PngChunks& c) {
  const uint8_t* t = file.data + c.transparency;
  const size_t n = c.transparent_bytes;
  if (c.colour == kPngRgb && n >= 6) return Colour{t[1], t[3], t[5]};
  if (c.colour == kPngGrey && n >= 2) {
    if (c.bits == 1 || c.bits == 16) return Colour{t[1], 0, 0};
    const auto grey = static_cast<uint8_t>(t[0] ? 255 : t[1]);
    return Colour{grey, grey, grey};
  }
  if (c.colour != kPngPalette) return std::nullopt;
  const auto clear = static_cast<size_t>(std::find(t, t + n, 0) - t);
  const auto is_opaque = [](uint8_t alpha) { return alpha == 255; };
  const bool is_one = clear < n && std::all_of(t, t + clear, is_opaque) && std::all_of(t + clear + 1, t + n, is_opaque);
  if (!is_one || clear >= c.colours) return std::nullopt;
  const uint8_t* rgb = file.data + c.palette + 3 * clear;
  return Colour{rgb[0], rgb[1], rgb[2]};
}

/// Pillow takes an eXIf chunk, else what ImageMagick writes as text, else XMP.
int pillow_orientation(const PictureFile& file, const PngChunks& c) {
  const int exif = c.has_exif ? c.orientation_anywhere : png_text_exif(file, c);
  return exif != kNoOrientation ? exif : png_text_xmp(file, c);
}

Image read_pixels(const PictureFile& file, const PngChunks& chunks) {
  std::optional<Image> usual = read_usual_png(file, chunks);
  return usual ? std::move(*usual) : read_stb(file, "PNG");
}

}  // namespace

PngChunks check_png(const PictureFile& file) {
  constexpr size_t kSignature = 8, kFrame = 12;  // length, type and checksum round each chunk's data
  file.need(0, kSignature + kFrame + 13, "PNG: the header");
  if (!file.starts_with("IHDR", 4, kSignature + 4)) file.fail("PNG: the first chunk is not IHDR");
  check_size(file, file.big32(kSignature + 8), file.big32(kSignature + 12));
  PngChunks chunks;
  chunks.width = file.big32(kSignature + 8), chunks.height = file.big32(kSignature + 12);
  chunks.bits = file.data[kSignature + 16], chunks.colour = file.data[kSignature + 17];
  const uint8_t* methods = file.data + kSignature + 18;  // compression, filter, interlace
  chunks.is_plain = methods[0] == 0 && methods[1] == 0 && methods[2] == 0;
  for (size_t at = kSignature;;) {
    file.need(at, kFrame, "PNG: a chunk");
    const size_t length = file.big32(at);
    file.need(at, length + kFrame, "PNG: a chunk");
    const bool is_critical = !(file.data[at + 4] & 0x20);
    const bool is_intact = libdeflate_crc32(0, file.data + at + 4, length + 4) == file.big32(at + 8 + length);
    if (is_critical && !is_intact) file.fail("PNG: the checksum of the chunk at offset ", at, " is wrong");
    if (file.starts_with("IEND", 4, at + 4)) return chunks;
    if (file.starts_with("IDAT", 4, at + 4)) chunks.pixels.emplace_back(at + 8, length);
    if (is_intact) note_chunk(file, at, length, chunks);
    at += length + kFrame;
  }
}

Image read_png(const PictureFile& file, ImageBackend backend) {
  const PngChunks chunks = check_png(file);
  if (!is_pillow(backend))
    return apply_orientation(chunks.bits == 16 ? read_scaled_png(file) : read_pixels(file, chunks), chunks.orientation);
  const bool is_wide_grey = chunks.colour == kPngGrey && chunks.bits == 16;
  Image image = is_wide_grey ? read_clipped_grey(file) : read_pixels(file, chunks);
  if (const auto colour = transparent_colour(file, chunks)) whiten(image, *colour);
  return apply_orientation(std::move(image), pillow_orientation(file, chunks));
}

}  // namespace glmv
