// Picture files -> RGB bytes, equal to what the library decodes.
//
// The two image backends of the library differ here as well: see ImageBackend.
//
// A file is untrusted. Its size in pixels is known and limited before memory is taken; a file that ends early or fails a
// checksum is an error, never a half-grey picture. More pixels than Pillow accepts are refused.
#include "data/file.h"
#include "data/gif.h"
#include "data/picture_formats.h"

namespace glmv {
namespace {

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
  if (file.starts_with("\xff\xd8\xff", 3)) return read_jpeg(file, backend);
  if (file.starts_with("\x89PNG\r\n\x1a\n", 8)) return read_png(file, backend);
  if (file.starts_with("RIFF", 4) && file.starts_with("WEBP", 4, 8)) return read_webp(file, backend);
  if (file.starts_with("GIF8", 4)) return read_gif_picture(file, backend);
  if (file.starts_with("BM", 2)) return read_bmp(file);
  file.fail("not a PNG, JPEG, WebP, GIF or BMP picture");
}

Image read_image(const std::string& path, ImageBackend backend) {
  const std::string bytes = read_file(path);
  Image image = decode_image(bytes.data(), bytes.size(), path, backend);
  image.name = path;
  return image;
}

}  // namespace glmv
