// Picture files -> RGB bytes, equal to what the library decodes.
//
// The two image backends of the library differ here as well: see ImageBackend.
//
// A file is untrusted. Its size in pixels is known and limited before memory is taken; a file that ends early or fails
// a checksum is an error, never a half-grey picture. More pixels than Pillow accepts are refused.
#include <string_view>

#include "data/file.h"
#include "data/gif.h"
#include "data/picture_formats.h"

namespace glmv {
namespace {

Image read_gif_picture(const PictureFile& file, ImageBackend backend) {
  const Gif gif = read_gif(file);
  Image image = make_image(file, gif.width, gif.height);
  uint8_t* out = image.rgb.data();
  // Pillow knows of one colour that becomes white; the library's other decoders draw on the screen's background, and
  // beyond the screen into memory that is not theirs, so Pillow's way is taken there.
  const bool on_background = !is_pillow(backend) && !gif.beyond_screen;
  for (size_t i = 0; i < gif.indices.size(); ++i) {
    const bool is_background = on_background && (gif.free[i] || gif.indices[i] == gif.transparent);
    out = std::copy_n((is_background ? gif.background : gif.palette[gif.indices[i]]).data(), 3, out);
  }
  if (is_pillow(backend) && gif.transparent >= 0) whiten(image, gif.palette[static_cast<size_t>(gif.transparent)]);
  return image;
}

/// Who reads a format: Pillow without plugins; torchcodec, which the library's torchvision backend prefers as decoder.
constexpr uint8_t kPillow = 1, kTorchcodec = 2;

/// First bytes of formats that people do have pictures in and that are not read here.
struct Signature {
  size_t offset;
  std::string_view bytes;
  const char* format;
  uint8_t readers = kPillow;
};
using namespace std::string_view_literals;
constexpr Signature kUnread[] = {
    {0, "II*\0"sv, "TIFF"},
    {0, "MM\0*"sv, "TIFF"},
    {0, "II+\0"sv, "TIFF"},
    {0, "MM\0+"sv, "TIFF"},
    {4, "ftypavif"sv, "AVIF", kPillow | kTorchcodec},
    {4, "ftypavis"sv, "AVIF", kPillow | kTorchcodec},
    {4, "ftypheic"sv, "HEIC", kTorchcodec},
    {4, "ftypheix"sv, "HEIC", kTorchcodec},
    {4, "ftypmif1"sv, "HEIF", kTorchcodec},
    {4, "jP  \r\n\x87\n"sv, "JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    {4, "JXL \r\n\x87\n"sv, "JPEG XL", 0},
    {0, "\xff\x0a"sv, "JPEG XL", 0},
    {0, "\0\0\1\0"sv, "ICO"},
    {0, "DDS "sv, "DDS"},
    {0, "qoif"sv, "QOI"},
    {0, "8BPS"sv, "PSD"},
    {0, "%PDF"sv, "PDF", 0},
    {0, "<svg"sv, "SVG", 0},
};

constexpr Signature kPnm{0, {}, "PNM"};

const Signature* unread_format(const PictureFile& file) {
  for (const Signature& s : kUnread) {
    if (file.starts_with(s.bytes.data(), s.bytes.size(), s.offset)) return &s;
  }
  const bool is_pnm = file.has(0, 3) && file.data[0] == 'P' && file.data[1] >= '1' && file.data[1] <= '7';
  return is_pnm && (file.data[2] == '\n' || file.data[2] == ' ') ? &kPnm : nullptr;
}

/// Says of the backend that was asked for whether the library would have read the file.
[[noreturn]] void refuse(const PictureFile& file, const Signature& unread, ImageBackend backend) {
  const bool pillow = is_pillow(backend);
  const char* library = pillow ? unread.readers & kPillow ? "though Pillow reads it" : "nor by Pillow"
                        : unread.readers & kTorchcodec ? "though the library reads it where torchcodec is installed"
                                                       : "nor by the library with torchvision or torchcodec";
  file.fail(unread.format, " is not read here, ", library, ": convert the picture to PNG");
}

}  // namespace

Image decode_image(const void* bytes, size_t size, const std::string& name, ImageBackend backend) {
  const PictureFile file{static_cast<const uint8_t*>(bytes), size, name};
  if (size == 0) file.fail("the file is empty");
  if (size > kMostWholeFileBytes) file.fail("a picture file of ", size, " bytes is too large");
  if (file.starts_with("\xff\xd8\xff", 3)) return read_jpeg(file, backend);
  if (file.starts_with("\x89PNG\r\n\x1a\n", 8)) return read_png(file, backend);
  if (file.starts_with("RIFF", 4) && file.starts_with("WEBP", 4, 8)) return read_webp(file, backend);
  if (file.starts_with("GIF8", 4)) return read_gif_picture(file, backend);
  if (file.starts_with("BM", 2)) return read_bmp(file);
  if (const Signature* unread = unread_format(file)) refuse(file, *unread, backend);
  file.fail("not a PNG, JPEG, WebP, GIF or BMP picture");
}

Image read_image(const std::string& path, ImageBackend backend) {
  const std::string bytes = read_file(path);
  Image image = decode_image(bytes.data(), bytes.size(), path, backend);
  image.name = path;
  return image;
}

}  // namespace glmv
