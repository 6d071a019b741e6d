// WebP by libwebp. EXIF orientation comes from the EXIF chunk that the header announces, for Pillow also from XMP.
#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

#include "data/exif.h"
#include "data/picture_formats.h"

namespace glmv {
namespace {

constexpr size_t kFirstChunk = 12, kChunkHeader = 8;
constexpr uint8_t kHasExif = 8, kHasXmp = 4;

/// The first chunk of a type that the header announces; empty if there is none.
std::string_view announced_chunk(const PictureFile& file, const char* type, uint8_t flag) {
  if (!file.starts_with("VP8X", 4, kFirstChunk) || !file.has(kFirstChunk, kChunkHeader + 1)) return {};
  if (!(file.data[kFirstChunk + kChunkHeader] & flag)) return {};
  for (size_t at = kFirstChunk; file.has(at, kChunkHeader);) {
    const size_t length = file.little(at + 4, 4), body = at + kChunkHeader;
    if (!file.has(body, length)) return {};
    if (file.starts_with(type, 4, at)) return {reinterpret_cast<const char*>(file.data) + body, length};
    at = body + length + length % 2;
  }
  return {};
}

int webp_orientation(const PictureFile& file, ImageBackend backend) {
  std::string_view exif = announced_chunk(file, "EXIF", kHasExif);
  if (exif.starts_with(std::string_view("Exif\0\0", kExifPrefix))) exif.remove_prefix(kExifPrefix);
  const int orientation = exif_orientation(exif.data(), exif.size());
  if (orientation != kNoOrientation || !is_pillow(backend)) return orientation;
  return xmp_orientation(announced_chunk(file, "XMP ", kHasXmp));
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

}  // namespace

Image read_webp(const PictureFile& file, ImageBackend backend) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data, file.size, &features) != VP8_STATUS_OK) file.fail("WebP: the header is corrupt");
  check_size(file, features.width, features.height);
  if (features.has_animation) {
    if (is_pillow(backend)) return apply_orientation(read_animated_webp(file), webp_orientation(file, backend));
    file.fail("WebP: an animation; torchvision decodes only stills, --image-backend pillow takes the first picture");
  }
  Image image = make_image(file, features.width, features.height);
  const int stride = features.width * 3;
  if (!WebPDecodeRGBInto(file.data, file.size, image.rgb.data(), image.rgb.size(), stride)) {
    file.fail("WebP: the data is corrupt or truncated");
  }
  return apply_orientation(std::move(image), webp_orientation(file, backend));
}

}  // namespace glmv
