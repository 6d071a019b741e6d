// Resized bytes -> normalised patch rows.
#include <algorithm>
#include <cstring>

#include "data/image.h"
#include "reference/core/parallel.h"

namespace glmv {

namespace {

/// One channel's mean and standard deviation as the backend uses them.
struct Scale {
  bool is_pillow;
  float mean, std;

  Scale(const ImageConfig& config, size_t channel)
      : is_pillow(glmv::is_pillow(config.backend)), mean(config.mean[channel]), std(config.std[channel]) {
    if (is_pillow) return;
    mean *= 255.0f, std *= 255.0f;
  }
};

/// torchvision: (x - 255 mean) / (255 std) in float32, the rescale fused into mean and std. Pillow: x / 255 in double,
/// rounded to float32, then (that - mean) / std in float32. Three neighbouring bytes are one pixel.
void normalise_row(const uint8_t* rgb, int64_t width, const std::array<Scale, 3>& scales, float* planes) {
  for (int64_t c = 0; c < 3; ++c) {
    const Scale scale = scales[static_cast<size_t>(c)];
    const float mean = scale.mean, std = scale.std;
    float* out = planes + c * width;
    const uint8_t* in = rgb + c;
    if (scale.is_pillow) {
      for (int64_t x = 0; x < width; ++x)
        out[x] = (static_cast<float>(static_cast<double>(in[3 * x]) * (1.0 / 255)) - mean) / std;
    } else {
      for (int64_t x = 0; x < width; ++x) out[x] = (static_cast<float>(in[3 * x]) - mean) / std;
    }
  }
}

void check_frames(const std::vector<Image>& frames, int64_t factor) {
  GLMV_CHECK(!frames.empty(), "no frames");
  for (const Image& f : frames) {
    GLMV_CHECK(f.width == frames[0].width && f.height == frames[0].height, "frames of ", frames[0].width, "x",
               frames[0].height, " and ", f.width, "x", f.height);
    GLMV_CHECK(f.width > 0 && f.height > 0 && f.width % factor == 0 && f.height % factor == 0, f.width, "x", f.height,
               " is not a multiple of ", factor);
    GLMV_CHECK(static_cast<int64_t>(f.rgb.size()) == f.width * f.height * 3, f.rgb.size(), " bytes for ", f.width, "x",
               f.height);
  }
}

constexpr int64_t kPublishedPatch = 14;

/// How the rows of one result are laid out.
struct Layout {
  int64_t patch, merge, slots;
  int64_t grid_w;  ///< patches side by side

  int64_t plane() const { return patch * patch; }
  int64_t columns() const { return 3 * slots * plane(); }
  /// Patch (y, x) of a row of merge blocks; the patches of a block are neighbours.
  int64_t index(int64_t y, int64_t x) const { return x / merge * merge * merge + y * merge + x % merge; }
};

/// Row dy of the patches in patch row y of the block row `out`, to the slots from first_slot on.
template <int64_t published_patch>
void spread_row(const float* planes, int64_t width, const Layout& at, int64_t y, int64_t dy, int64_t first_slot,
                int64_t end_slot, float* out) {
  const int64_t patch = published_patch > 0 ? published_patch : at.patch, plane = patch * patch;
  for (int64_t x = 0; x < at.grid_w; ++x) {
    float* to = out + at.index(y, x) * at.columns() + dy * patch;
    for (int64_t c = 0; c < 3; ++c) {
      const float* from = planes + c * width + x * patch;
      for (int64_t s = first_slot; s < end_slot; ++s)
        std::memcpy(to + (c * at.slots + s) * plane, from, static_cast<size_t>(patch) * sizeof(float));
    }
  }
}

}  // namespace

Patches to_patches(const std::vector<Image>& frames, const ImageConfig& config) {
  const int64_t patch = config.patch_size, merge = config.merge_size, slots = config.temporal_patch_size;
  check_frames(frames, patch * merge);
  const int64_t count = static_cast<int64_t>(frames.size()), width = frames[0].width;
  const int64_t grid_t = (count + slots - 1) / slots;
  const int64_t grid_h = frames[0].height / patch, grid_w = width / patch;
  const Layout layout{patch, merge, slots, grid_w};
  const std::array<Scale, 3> scales = {Scale(config, 0), Scale(config, 1), Scale(config, 2)};

  Patches patches;
  patches.grid = {grid_t, grid_h, grid_w};
  patches.rows = Tensor::unfilled(DType::f32, {grid_t * grid_h * grid_w, layout.columns()});
  float* const rows = patches.rows.data<float>();

  // One item is a row of merge blocks: its patches are neighbours in the result.
  const int64_t blocks_h = grid_h / merge, block_floats = merge * grid_w * layout.columns();
  parallel_for(grid_t * blocks_h, block_floats, [&](int64_t item) {
    const int64_t t = item / blocks_h, top = item % blocks_h * merge * patch;
    std::vector<float> planes(static_cast<size_t>(3 * width));
    for (int64_t s = 0; s < slots && t * slots + s < count; ++s) {
      const int64_t frame = t * slots + s;
      // A clip that ends inside a temporal patch repeats its last frame; a still fills all slots this way.
      const int64_t end_slot = frame + 1 == count ? slots : s + 1;
      const uint8_t* in = frames[static_cast<size_t>(frame)].rgb.data() + top * width * 3;
      for (int64_t y = 0; y < merge * patch; ++y) {
        normalise_row(in + y * width * 3, width, scales, planes.data());
        // A copy of known length is two instructions, any other a call.
        const auto spread = patch == kPublishedPatch ? spread_row<kPublishedPatch> : spread_row<0>;
        spread(planes.data(), width, layout, y / patch, y % patch, s, end_slot, rows + item * block_floats);
      }
    }
  });
  return patches;
}

Patches preprocess_image(const Image& image, const ImageConfig& config) {
  // A still counts as one full temporal patch of frames when its volume is limited.
  const Size size = smart_resize(config.temporal_patch_size, image.height, image.width, config);
  const bool pillow = is_pillow(config.backend);
  return to_patches({pillow ? resize_pillow(image, size, config.backend) : resize_torchvision(image, size)}, config);
}

}  // namespace glmv
