// Picture files -> RGB bytes, equal to what the library decodes: libjpeg-turbo with its defaults for JPEG, libwebp
// for WebP, stb_image for PNG and BMP, our own reader for GIF.
//
// The two image backends of the library differ here as well: see ImageBackend.
//
// A file is untrusted. Its size in pixels is known and limited before memory is taken; a file that ends early or
// fails a checksum is an error, never a half-grey picture. More pixels than Pillow accepts are
// refused.
// EXIF orientation is looked for where torchcodec, the library's first choice of decoder, looks: the first APP1 segment
// of a JPEG, an eXIf chunk before the pixels of a PNG, the EXIF chunk that a WebP header announces.
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

#include <jerror.h>
#include <jpeglib.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "data/exif.h"
#include "data/file.h"
#include "data/gif.h"
#include "data/picture_file.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#include <stb/stb_image.h>

#ifndef __clang_analyzer__  // it imagines pictures of no pixels in there; write_png refuses them
#define STB_IMAGE_WRITE_IMPLEMENTATION
#endif
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace glmv {
namespace {

using Colour = std::array<uint8_t, 3>;

/// Pillow's compositing on white where one colour is transparent and the rest opaque.
void whiten(Image& image, const Colour& transparent) {
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    if (std::equal(transparent.begin(), transparent.end(), &image.rgb[i])) std::fill_n(&image.rgb[i], 3, uint8_t{255});
  }
}

/// "Exif" and two zeros stand before the TIFF structure in a JPEG, and in a WebP by some writers.
constexpr size_t kExifPrefix = 6;

// ---------------------------------------------------------------------------------------------------------- JPEG

/// libjpeg reports errors by a call that must not return, so they leave by longjmp. Only guarded() sets the jump,
/// and the steps it runs are functions without C++ objects: nothing that needs a destructor is ever jumped over.
class JpegReader {
 public:
  explicit JpegReader(const PictureFile& file) : file_(file) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = leave;
    errors_.emit_message = note_warning;
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = limit_scans;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Image read(ImageBackend backend) {
    run(create);
    run(read_header);
    const int orientation = is_pillow(backend) ? pillow_orientation()
                                               : first_orientation();  // libjpeg forgets the segment when it finishes
    Image image = make_image(file_, info_.image_width, info_.image_height);
    std::vector<uint8_t> cmyk(is_cmyk() ? size_t{info_.image_width} * 4 : 0);
    rgb_ = image.rgb.data();
    cmyk_row_ = cmyk.data();
    run(read_rows);
    return apply_orientation(std::move(image), orientation);
  }

 private:
  static constexpr int kMostScans = 500;  // real progressive files have about ten; thousands are a slow attack

  static JpegReader& self(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  [[noreturn]] static void leave(j_common_ptr info) {
    JpegReader& reader = self(info);
    info->err->format_message(info, reader.reason_);
    std::longjmp(reader.jump_, 1);
  }
  /// A file that ends inside its data is padded with grey by libjpeg; here that is an error. Other warnings are not.
  static void note_warning(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) leave(info);
  }
  static void limit_scans(j_common_ptr info) {
    JpegReader& reader = self(info);
    if (reader.info_.input_scan_number <= kMostScans) return;
    std::snprintf(reader.reason_, sizeof reader.reason_, "more than %d scans", kMostScans);
    std::longjmp(reader.jump_, 1);
  }

  bool guarded(void (*step)(JpegReader&)) {
    if (setjmp(jump_)) return false;
    step(*this);
    return true;
  }
  void run(void (*step)(JpegReader&)) {
    if (!guarded(step)) file_.fail("JPEG: ", reason_);
  }

  static void create(JpegReader& r) {
    jpeg_create_decompress(&r.info_);
    r.info_.progress = &r.progress_;
    jpeg_mem_src(&r.info_, r.file_.data, static_cast<unsigned long>(r.file_.size));
    jpeg_save_markers(&r.info_, JPEG_APP0 + 1, 0xffff);
  }
  static void read_header(JpegReader& r) {
    jpeg_read_header(&r.info_, TRUE);
    r.info_.out_color_space = r.is_cmyk() ? JCS_CMYK : JCS_RGB;
  }
  static void read_rows(JpegReader& r) {
    jpeg_start_decompress(&r.info_);
    while (r.info_.output_scanline < r.info_.output_height) {
      uint8_t* rgb = r.rgb_ + size_t{r.info_.output_scanline} * r.info_.output_width * 3;
      JSAMPROW row = r.is_cmyk() ? r.cmyk_row_ : rgb;
      jpeg_read_scanlines(&r.info_, &row, 1);
      if (r.is_cmyk()) cmyk_to_rgb(row, r.info_.output_width, rgb);
    }
    jpeg_finish_decompress(&r.info_);
  }

  bool is_cmyk() const { return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK; }

  /// Adobe stores inks inverted (255 = none), so a channel is ink * black / 255, rounded.
  static void cmyk_to_rgb(const uint8_t* cmyk, size_t width, uint8_t* rgb) {
    for (size_t x = 0; x < width; ++x, cmyk += 4) {
      for (int c = 0; c < 3; ++c) {
        const uint32_t light = uint32_t{cmyk[c]} * cmyk[3];
        *rgb++ = static_cast<uint8_t>((light + 127) / 255);
      }
    }
  }

  static bool is_exif(jpeg_saved_marker_ptr m) {
    return m->data_length >= kExifPrefix && std::memcmp(m->data, "Exif\0\0", kExifPrefix) == 0;
  }
  static int orientation_in(jpeg_saved_marker_ptr m) {
    return exif_orientation(m->data + kExifPrefix, m->data_length - kExifPrefix);
  }
  /// Only the first APP1 segment counts for the library's own decoder: EXIF behind another one, say XMP, is not seen.
  int first_orientation() const {
    const jpeg_saved_marker_ptr m = info_.marker_list;
    return m && m->data_length >= kExifPrefix ? orientation_in(m) : 1;
  }
  /// Pillow takes the first EXIF segment, wherever it stands.
  int pillow_orientation() const {
    for (jpeg_saved_marker_ptr m = info_.marker_list; m; m = m->next) {
      if (is_exif(m)) return orientation_in(m);
    }
    return 1;
  }

  const PictureFile& file_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char reason_[JMSG_LENGTH_MAX] = "";
  uint8_t* rgb_ = nullptr;
  uint8_t* cmyk_row_ = nullptr;
};

// ---------------------------------------------------------------------------------------------------------- WebP

int webp_orientation(const PictureFile& file) {
  constexpr size_t kFirstChunk = 12, kChunkHeader = 8;
  constexpr uint8_t kHasExif = 8;
  if (!file.starts_with("VP8X", 4, kFirstChunk) || !file.has(kFirstChunk, kChunkHeader + 1)) return 1;
  if (!(file.data[kFirstChunk + kChunkHeader] & kHasExif)) return 1;
  for (size_t at = kFirstChunk; file.has(at, kChunkHeader);) {
    const size_t length = file.little(at + 4, 4), body = at + kChunkHeader;
    if (!file.has(body, length)) return 1;
    if (file.starts_with("EXIF", 4, at)) {
      const size_t prefix = length >= kExifPrefix && file.starts_with("Exif\0\0", kExifPrefix, body) ? kExifPrefix : 0;
      return exif_orientation(file.data + body + prefix, length - prefix);
    }
    at = body + length + length % 2;
  }
  return 1;
}

/// Pillow gives the first picture of an animation, drawn on a transparent canvas whose alpha is then dropped.
Image read_animated_webp(const PictureFile& file) {
  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options)) file.fail("WebP: the library has another version");
  options.color_mode = MODE_RGBA;
  const WebPData data{file.data, file.size};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                                   WebPAnimDecoderDelete);
  uint8_t* rgba = nullptr;
  int milliseconds = 0;
  if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &rgba, &milliseconds)) {
    file.fail("WebP: the data is corrupt or truncated");
  }
  WebPAnimInfo info;
  WebPAnimDecoderGetInfo(decoder.get(), &info);
  Image image = make_image(file, info.canvas_width, info.canvas_height);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = rgba[i / 3 * 4 + i % 3];
  return image;
}

Image read_webp(const PictureFile& file, ImageBackend backend) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data, file.size, &features) != VP8_STATUS_OK) file.fail("WebP: the header is corrupt");
  check_size(file, features.width, features.height);
  if (features.has_animation) {
    if (is_pillow(backend)) return apply_orientation(read_animated_webp(file), webp_orientation(file));
    file.fail("WebP: an animation; torchvision decodes only stills, --image-backend pillow takes the first picture");
  }
  Image image = make_image(file, features.width, features.height);
  const int stride = features.width * 3;
  if (!WebPDecodeRGBInto(file.data, file.size, image.rgb.data(), image.rgb.size(), stride)) {
    file.fail("WebP: the data is corrupt or truncated");
  }
  return apply_orientation(std::move(image), webp_orientation(file));
}

// ------------------------------------------------------------------------------------------------ PNG, BMP and GIF

/// The file has passed its format's check below, which knows its size.
Image read_stb(const PictureFile& file, const char* format) {
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(file.data, static_cast<int>(file.size), &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) file.fail(format, ": ", stbi_failure_reason());
  Image image = make_image(file, width, height);
  std::memcpy(image.rgb.data(), pixels.get(), image.rgb.size());
  return image;
}

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
    table[byte] = crc;
  }
  return table;
}

uint32_t crc32(const uint8_t* data, size_t size) {
  static constexpr std::array<uint32_t, 256> kTable = make_crc_table();
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; ++i) crc = crc >> 8 ^ kTable[(crc ^ data[i]) & 0xff];
  return ~crc;
}

/// What the chunks of a PNG say besides its pixels.
struct PngChunks {
  uint8_t bits = 0, colour = 0;                    ///< as in the header
  int orientation = 1;                             ///< of an eXIf chunk before the pixels
  int orientation_anywhere = 1;                    ///< of one that may follow them
  size_t palette = 0, colours = 0;                 ///< offset and entries of PLTE
  size_t transparency = 0, transparent_bytes = 0;  ///< offset and length of tRNS
};

void note_chunk(const PictureFile& file, size_t at, size_t length, bool pixels_seen, PngChunks& chunks) {
  const auto is = [&](const char* type) { return file.starts_with(type, 4, at + 4); };
  const size_t data = at + 8;
  if (is("PLTE")) chunks.palette = data, chunks.colours = length / 3;
  if (is("tRNS")) chunks.transparency = data, chunks.transparent_bytes = length;
  if (!is("eXIf")) return;
  const int orientation = exif_orientation(file.data + data, length);
  chunks.orientation_anywhere = orientation;
  if (!pixels_seen) chunks.orientation = orientation;
}

/// Walks the chunks, which stb does without looking at checksums.
PngChunks check_png(const PictureFile& file) {
  constexpr size_t kSignature = 8, kFrame = 12;  // length, type and checksum round each chunk's data
  file.need(0, kSignature + kFrame + 13, "PNG: the header");
  if (!file.starts_with("IHDR", 4, kSignature + 4)) file.fail("PNG: the first chunk is not IHDR");
  check_size(file, file.big32(kSignature + 8), file.big32(kSignature + 12));
  PngChunks chunks{file.data[kSignature + 16], file.data[kSignature + 17]};
  bool pixels_seen = false;
  for (size_t at = kSignature;;) {
    file.need(at, kFrame, "PNG: a chunk");
    const size_t length = file.big32(at);
    file.need(at, length + kFrame, "PNG: a chunk");
    const bool is_critical = !(file.data[at + 4] & 0x20);
    const bool is_intact = crc32(file.data + at + 4, length + 4) == file.big32(at + 8 + length);
    if (is_critical && !is_intact) file.fail("PNG: the checksum of the chunk at offset ", at, " is wrong");
    if (file.starts_with("IEND", 4, at + 4)) return chunks;
    pixels_seen |= file.starts_with("IDAT", 4, at + 4);
    if (is_intact) note_chunk(file, at, length, pixels_seen, chunks);
    at += length + kFrame;
  }
}

/// Pillow cuts 16-bit grey off at 255, so that nearly all of it is white; the library's other decoders do not.
Image read_clipped_grey(const PictureFile& file) {
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_us, decltype(&stbi_image_free)> pixels(
      stbi_load_16_from_memory(file.data, static_cast<int>(file.size), &width, &height, &channels, 1), stbi_image_free);
  if (!pixels) file.fail("PNG: ", stbi_failure_reason());
  Image image = make_image(file, width, height);
  for (size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<uint8_t>(std::min<int>(pixels.get()[i / 3], 255));
  return image;
}

constexpr uint8_t kPngGrey = 0, kPngRgb = 2, kPngPalette = 3;

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

Image read_png(const PictureFile& file, ImageBackend backend) {
  const PngChunks chunks = check_png(file);
  if (!is_pillow(backend)) return apply_orientation(read_stb(file, "PNG"), chunks.orientation);
  const bool is_wide_grey = chunks.colour == kPngGrey && chunks.bits == 16;
  Image image = is_wide_grey ? read_clipped_grey(file) : read_stb(file, "PNG");
  if (const auto colour = transparent_colour(file, chunks)) whiten(image, *colour);
  return apply_orientation(std::move(image), chunks.orientation_anywhere);
}

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

Image read_gif_picture(const PictureFile& file, ImageBackend backend) {
  const Gif gif = read_gif(file);
  Image image = make_image(file, gif.width, gif.height);
  uint8_t* out = image.rgb.data();
  for (const uint8_t index : gif.indices) out = std::copy_n(gif.palette[index].data(), 3, out);
  if (is_pillow(backend) && gif.transparent >= 0) whiten(image, gif.palette[static_cast<size_t>(gif.transparent)]);
  return image;
}

}  // namespace

Image decode_image(const void* bytes, size_t size, const std::string& name, ImageBackend backend) {
  const PictureFile file{static_cast<const uint8_t*>(bytes), size, name};
  if (size == 0) file.fail("the file is empty");
  if (size > kMostWholeFileBytes) file.fail("a picture file of ", size, " bytes is too large");
  if (file.starts_with("\xff\xd8\xff", 3)) return JpegReader(file).read(backend);
  if (file.starts_with("\x89PNG\r\n\x1a\n", 8)) return read_png(file, backend);
  if (file.starts_with("RIFF", 4) && file.starts_with("WEBP", 4, 8)) return read_webp(file, backend);
  if (file.starts_with("GIF8", 4)) return read_gif_picture(file, backend);
  if (file.starts_with("BM", 2)) return check_bmp(file), read_stb(file, "BMP");
  file.fail("not a PNG, JPEG, WebP, GIF or BMP picture");
}

Image read_image(const std::string& path, ImageBackend backend) {
  const std::string bytes = read_file(path);
  Image image = decode_image(bytes.data(), bytes.size(), path, backend);
  image.name = path;
  return image;
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
