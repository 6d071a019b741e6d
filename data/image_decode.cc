// Picture files -> RGB bytes, equal to what the library decodes: libjpeg-turbo with its defaults for JPEG, libwebp
// for WebP, stb_image for the lossless rest.
//
// A file is untrusted. Its size in pixels is known and limited before memory is taken; a file that ends early or
// fails a checksum is an error, never a half-grey picture. Refused: animated WebP, more pixels than Pillow accepts.
// EXIF orientation is looked for where torchcodec, the library's first choice of decoder, looks: the first APP1 segment
// of a JPEG, an eXIf chunk before the pixels of a PNG, the EXIF chunk that a WebP header announces.
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <string_view>

#include <jerror.h>
#include <jpeglib.h>
#include <webp/decode.h>

#include "data/exif.h"
#include "data/file.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#include <stb/stb_image.h>

#ifndef __clang_analyzer__  // it imagines pictures of no pixels in there; write_png refuses them
#define STB_IMAGE_WRITE_IMPLEMENTATION
#endif
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

namespace glmv {
namespace {

/// "Exif" and two zeros stand before the TIFF structure in a JPEG, and in a WebP by some writers.
constexpr size_t kExifPrefix = 6;

/// The file as it was handed over.
struct File {
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

void check_size(const File& file, int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) file.fail("a picture of ", width, "x", height, " pixels");
  if (height > kMostPixels / width) file.fail(width, "x", height, " is more than ", kMostPixels, " pixels");
}

Image make_image(const File& file, int64_t width, int64_t height) {
  check_size(file, width, height);
  Image image{width, height, {}};
  image.rgb.resize(static_cast<size_t>(width * height * 3));
  return image;
}

// ---------------------------------------------------------------------------------------------------------- JPEG

/// libjpeg reports errors by a call that must not return, so they leave by longjmp. Only guarded() sets the jump,
/// and the steps it runs are functions without C++ objects: nothing that needs a destructor is ever jumped over.
class JpegReader {
 public:
  explicit JpegReader(const File& file) : file_(file) {
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

  Image read() {
    run(create);
    run(read_header);
    const int orientation = stored_orientation();  // libjpeg forgets the segment when it finishes
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

  /// Only the first APP1 segment counts, as in the library: EXIF behind another one, say XMP, is not seen.
  int stored_orientation() const {
    const jpeg_saved_marker_ptr m = info_.marker_list;
    if (!m || m->data_length < kExifPrefix) return 1;
    return exif_orientation(m->data + kExifPrefix, m->data_length - kExifPrefix);
  }

  const File& file_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char reason_[JMSG_LENGTH_MAX] = "";
  uint8_t* rgb_ = nullptr;
  uint8_t* cmyk_row_ = nullptr;
};

// ---------------------------------------------------------------------------------------------------------- WebP

int webp_orientation(const File& file) {
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

Image read_webp(const File& file) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data, file.size, &features) != VP8_STATUS_OK) file.fail("WebP: the header is corrupt");
  if (features.has_animation) file.fail("WebP: animations are not supported, only stills");
  Image image = make_image(file, features.width, features.height);
  const int stride = features.width * 3;
  if (!WebPDecodeRGBInto(file.data, file.size, image.rgb.data(), image.rgb.size(), stride)) {
    file.fail("WebP: the data is corrupt or truncated");
  }
  return apply_orientation(std::move(image), webp_orientation(file));
}

// ------------------------------------------------------------------------------------------------ PNG, BMP and GIF

/// The file has passed its format's check below, which knows its size.
Image read_stb(const File& file, const char* format) {
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

/// Walks the chunks, which stb does without looking at checksums. Returns the orientation of an eXIf chunk; one that
/// follows the pixels is not seen, as in the library.
int check_png(const File& file) {
  constexpr size_t kSignature = 8, kFrame = 12;  // length, type and checksum round each chunk's data
  file.need(0, kSignature + kFrame + 13, "PNG: the header");
  if (!file.starts_with("IHDR", 4, kSignature + 4)) file.fail("PNG: the first chunk is not IHDR");
  check_size(file, file.big32(kSignature + 8), file.big32(kSignature + 12));
  int orientation = 1;
  bool pixels_seen = false;
  for (size_t at = kSignature;;) {
    file.need(at, kFrame, "PNG: a chunk");
    const size_t length = file.big32(at);
    file.need(at, length + kFrame, "PNG: a chunk");
    const bool is_critical = !(file.data[at + 4] & 0x20);
    const bool is_intact = crc32(file.data + at + 4, length + 4) == file.big32(at + 8 + length);
    if (is_critical && !is_intact) file.fail("PNG: the checksum of the chunk at offset ", at, " is wrong");
    if (file.starts_with("IEND", 4, at + 4)) return orientation;
    pixels_seen |= file.starts_with("IDAT", 4, at + 4);
    if (file.starts_with("eXIf", 4, at + 4) && is_intact && !pixels_seen) {
      orientation = exif_orientation(file.data + at + 8, length);
    }
    at += length + kFrame;
  }
}

/// stb reads zeros beyond the end of a BMP and has no run-length decoder, so the rows of pixels can be counted here.
void check_bmp(const File& file) {
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

/// Offset behind a run of GIF data sub-blocks, each a length byte and as many bytes; a zero ends the run.
size_t skip_gif_blocks(const File& file, size_t at) {
  for (;;) {
    file.need(at, 1, "GIF: a data block");
    const size_t length = file.data[at];
    file.need(at, length + 1, "GIF: a data block");
    at += length + 1;
    if (length == 0) return at;
  }
}
size_t gif_palette_bytes(uint8_t flags) { return flags & 0x80 ? size_t{3} << ((flags & 7) + 1) : 0; }

/// stb reads zeros beyond the end of a GIF, so everything up to the end of the first picture is walked here.
void check_gif(const File& file) {
  file.need(0, 13, "GIF: the header");
  check_size(file, file.little(6, 2), file.little(8, 2));
  for (size_t at = 13 + gif_palette_bytes(file.data[10]);;) {
    file.need(at, 1, "GIF: a block");
    if (file.data[at] == '!') {
      at = skip_gif_blocks(file, at + 2);
    } else if (file.data[at] == ',') {
      file.need(at, 11, "GIF: the picture header");
      skip_gif_blocks(file, at + 11 + gif_palette_bytes(file.data[at + 9]));
      return;
    } else {
      file.fail("GIF: no picture before offset ", at);
    }
  }
}

}  // namespace

Image decode_image(const void* bytes, size_t size, const std::string& name) {
  const File file{static_cast<const uint8_t*>(bytes), size, name};
  if (size == 0) file.fail("the file is empty");
  if (size > kMostWholeFileBytes) file.fail("a picture file of ", size, " bytes is too large");
  if (file.starts_with("\xff\xd8\xff", 3)) return JpegReader(file).read();
  if (file.starts_with("\x89PNG\r\n\x1a\n", 8)) {
    const int orientation = check_png(file);
    return apply_orientation(read_stb(file, "PNG"), orientation);
  }
  if (file.starts_with("RIFF", 4) && file.starts_with("WEBP", 4, 8)) return read_webp(file);
  if (file.starts_with("GIF8", 4)) return check_gif(file), read_stb(file, "GIF");
  if (file.starts_with("BM", 2)) return check_bmp(file), read_stb(file, "BMP");
  file.fail("not a PNG, JPEG, WebP, GIF or BMP picture");
}

Image read_image(const std::string& path) {
  const std::string bytes = read_file(path);
  Image image = decode_image(bytes.data(), bytes.size(), path);
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
