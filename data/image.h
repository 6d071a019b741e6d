// Pictures: file -> RGB bytes -> target size -> resized bytes -> normalised patches, bit-equal to the library.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/frame_sampling.h"
#include "reference/core/arena.h"

namespace glmv {

/// Largest picture: Pillow's decompression-bomb limit.
constexpr int64_t kMostPixels = 178956970;

/// Interleaved 8-bit RGB, rows top to bottom.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb;  ///< height * width * 3
  std::string name{};        ///< where it came from, for messages; may be empty
};

/// Whose way with pictures is followed, bit for bit. Clips always go torchvision's way, as in the library.
enum class ImageBackend {
  torchvision,  ///< what transformers 5 uses: 15-bit weights, normalising fused
  pillow,       ///< its fallback and, before 5, its default ("slow"): 22-bit weights, rescaled and normalised in turn
  pillow12,     ///< the same with a Pillow before 13.0.0, which never runs the height pass first
};
constexpr bool is_pillow(ImageBackend backend) { return backend != ImageBackend::torchvision; }
std::string_view name_of(ImageBackend backend);
/// Error (exit code 2) for another name.
ImageBackend image_backend(std::string_view name);

/// Reads PNG, JPEG, WebP, BMP or GIF (first frame). EXIF orientation applied, alpha dropped, grey replicated,
/// palettes expanded, CMYK converted, 16 bits scaled to 8, transparent GIF pixels shown as the screen's background.
/// With Pillow: one transparent colour (tRNS, GIF) becomes white, 16-bit grey is cut off at 255, other 16 bits to the
/// high byte, EXIF counts behind other segments and behind the pixels, and an animated WebP is its first picture.
/// README.md has the library's answers. Error (exit code 3) names file and reason.
Image read_image(const std::string& path, ImageBackend backend = ImageBackend::torchvision);
Image decode_image(const void* bytes, size_t size, const std::string& name,
                   ImageBackend backend = ImageBackend::torchvision);
void write_png(const std::string& path, const Image& image);

/// preprocessor_config.json (or video_preprocessor_config.json, or what processor_config.json has in their place).
struct ImageConfig {
  int64_t patch_size = 14;
  int64_t temporal_patch_size = 2;
  int64_t merge_size = 2;
  int64_t min_volume = 0;  ///< size.shortest_edge: frames * height * width, in pixels
  int64_t max_volume = 0;  ///< size.longest_edge
  std::array<float, 3> mean{};
  std::array<float, 3> std{};
  ImageBackend backend = ImageBackend::torchvision;
  SamplingConfig sampling{};    ///< which frames of a clip
  std::string processor_class;  ///< as written, "" = absent; tells how timestamps of clips are written
};
ImageConfig read_image_config(const std::string& dir, const std::string& file = "preprocessor_config.json");

/// Other limits than the file's, in its units (--min-pixels, --max-pixels). Error (exit code 2) for limits that
/// contradict each other or are too large.
void set_volumes(ImageConfig& config, std::optional<int64_t> min_volume, std::optional<int64_t> max_volume);

struct Size {
  int64_t height = 0;
  int64_t width = 0;
};

/// The size a picture (frames = 2) or a clip is resized to. Error (exit code 3) for an aspect ratio above 200.
Size smart_resize(int64_t frames, int64_t height, int64_t width, const ImageConfig& config);

/// torchvision's antialiased bicubic on uint8, bit for bit: width first, then height, 15-bit weights, uint8 between.
Image resize_torchvision(const Image& image, Size target);

/// Pillow's, bit for bit: 22-bit weights; with `pillow`, not `pillow12`, the height pass comes first where it saves
/// work.
Image resize_pillow(const Image& image, Size target, ImageBackend version = ImageBackend::pillow);

/// pixel_values rows of one item: frames are resized pictures of one size; a still is one frame, used for both slots.
/// Result f32 [t*h*w, channels*temporal*patch*patch] in merge-block row order; grid = {t, h, w} in patches.
struct Patches {
  Tensor rows;
  std::array<int64_t, 3> grid{};
};
Patches to_patches(const std::vector<Image>& frames, const ImageConfig& config);

/// The whole way for one still picture.
Patches preprocess_image(const Image& image, const ImageConfig& config);

}  // namespace glmv
