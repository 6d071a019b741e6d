// Heat maps: which rows of a point are wrong, over the picture or token by token.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crosscheck/report_plot.h"
#include "crosscheck/stages.h"
#include "data/base64.h"

namespace glmv {
namespace {

/// From the smallest departure of a point, orange, to its largest, dark red; what is allowed has no colour.
class HeatScale {
 public:
  explicit HeatScale(const std::vector<float>& excess) {
    for (const float e : excess) {
      if (!(e > 1)) continue;
      low_ = std::min(low_, std::log10(static_cast<double>(e)));
      high_ = std::max(high_, std::log10(static_cast<double>(e)));
    }
  }
  std::string colour(float excess) const {
    if (!(excess > 1)) return "none";
    const double t = high_ > low_ ? (std::log10(static_cast<double>(excess)) - low_) / (high_ - low_) : 1;
    return fmt::format("rgb({:.0f},{:.0f},{:.0f})", 255 - 110 * t, 170 * (1 - t), 40 * (1 - t));
  }

 private:
  double low_ = 1e9, high_ = -1e9;
};

/// The pixels of one frame back from its patches, contrast stretched: rows of a patch hold channels, then the two
/// frames, then its rows.
struct Frame {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;
};

std::string two_bytes(uint32_t v) { return {static_cast<char>(v & 255), static_cast<char>(v >> 8 & 255)}; }
std::string four_bytes(uint32_t v) { return two_bytes(v & 0xffff) + two_bytes(v >> 16); }

/// An uncompressed bitmap: bottom row first, blue first, rows filled up to four bytes.
std::string bitmap(const Frame& f) {
  const auto width = static_cast<uint32_t>(f.width), height = static_cast<uint32_t>(f.height);
  const uint32_t stride = (3 * width + 3) / 4 * 4, bytes = stride * height;
  constexpr uint32_t kHeader = 54;
  std::string out = "BM" + four_bytes(kHeader + bytes) + four_bytes(0) + four_bytes(kHeader) + four_bytes(40) +
                    four_bytes(width) + four_bytes(height) + two_bytes(1) + two_bytes(24) + four_bytes(0) +
                    four_bytes(bytes) + four_bytes(2835) + four_bytes(2835) + four_bytes(0) + four_bytes(0);
  for (int64_t y = f.height - 1; y >= 0; --y) {
    for (int64_t x = 0; x < f.width; ++x) {
      const uint8_t* p = f.rgb.data() + 3 * (y * f.width + x);
      out += {static_cast<char>(p[2]), static_cast<char>(p[1]), static_cast<char>(p[0])};
    }
    out.append(stride - 3 * width, '\0');
  }
  return out;
}

/// Patches of one frame: rows [begin, end) of the tower's points.
struct FramePatches {
  int64_t begin, end, high, wide;
};

std::vector<FramePatches> frames_of(const PatchPositions& p) {
  std::vector<FramePatches> out;
  for (size_t f = 0; f + 1 < p.cu_frames.size(); ++f) {
    const auto first = static_cast<size_t>(p.cu_frames[f]);
    out.push_back({p.cu_frames[f], p.cu_frames[f + 1], p.h[first], p.w[first]});
  }
  return out;
}

Frame pixels_of(const FramePatches& f, const PatchPositions& at, const Tensor& pixels, const VisionConfig& c) {
  const int64_t side = c.patch_size, plane = side * side, channel = c.temporal_patch_size * plane;
  Frame frame{f.high * side, f.wide * side, {}};
  frame.rgb.resize(static_cast<size_t>(frame.height * frame.width * 3));
  const int64_t numbers = pixels.view.dim[1];
  const float* first = pixels.data<float>() + f.begin * numbers;
  const auto [low, high] = std::minmax_element(first, first + (f.end - f.begin) * numbers);
  const float scale = *high > *low ? 255.0f / (*high - *low) : 0.0f;
  for (int64_t p = f.begin; p < f.end; ++p) {
    const float* patch = pixels.data<float>() + p * numbers;
    for (int64_t i = 0; i < plane; ++i) {
      const int64_t y = at.y[static_cast<size_t>(p)] * side + i / side,
                    x = at.x[static_cast<size_t>(p)] * side + i % side;
      for (int64_t k = 0; k < 3; ++k) {
        const float value =
            std::clamp((patch[std::min<int64_t>(k, c.in_channels - 1) * channel + i] - *low) * scale, 0.0f, 255.0f);
        frame.rgb[static_cast<size_t>((y * frame.width + x) * 3 + k)] = static_cast<uint8_t>(value);
      }
    }
  }
  return frame;
}

/// One frame with its patches over it; `cell`: patches along the side of a row's square, 1 or the merge size.
std::string frame_map(const FramePatches& f, const PatchPositions& at, const std::vector<float>& excess, int64_t cell,
                      const std::string& picture) {
  constexpr double kUnit = 16;
  const HeatScale heat(excess);
  const double width = static_cast<double>(f.wide) * kUnit, height = static_cast<double>(f.high) * kUnit;
  std::string out =
      fmt::format("<svg viewBox='0 0 {0} {1}' style='max-width:{2}px' role='img' aria-label='error by patch'>", width,
                  height, std::min(width * 2, 520.0));
  if (!picture.empty())
    out += fmt::format("<image href='{}' width='{}' height='{}' preserveAspectRatio='none' class='under'/>", picture,
                       width, height);
  out += fmt::format("<rect width='{}' height='{}' class='veil'/>", width, height);
  for (int64_t p = f.begin; p < f.end; p += cell * cell) {
    const auto row = static_cast<size_t>(p / (cell * cell));
    const std::string colour = heat.colour(excess[row]);
    out += fmt::format(
        "<rect x='{}' y='{}' width='{}' height='{}' fill='{}' class='cell'><title>row {}: {:.3g} x "
        "allowed</title></rect>",
        static_cast<double>(at.x[static_cast<size_t>(p)]) * kUnit,
        static_cast<double>(at.y[static_cast<size_t>(p)]) * kUnit, static_cast<double>(cell) * kUnit,
        static_cast<double>(cell) * kUnit, colour, row, excess[row]);
  }
  return out + "</svg>";
}

std::string token_map(const std::vector<float>& excess) {
  constexpr int64_t kColumns = 48;
  constexpr double kUnit = 18;
  const HeatScale heat(excess);
  const auto rows = (static_cast<int64_t>(excess.size()) + kColumns - 1) / kColumns;
  std::string out = fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='error by token'>",
                                kColumns * kUnit + 40, static_cast<double>(rows) * kUnit);
  for (size_t t = 0; t < excess.size(); ++t) {
    const auto column = static_cast<int64_t>(t) % kColumns, row = static_cast<int64_t>(t) / kColumns;
    if (column == 0)
      out += fmt::format("<text x='34' y='{}' class='tick' text-anchor='end'>{}</text>",
                         static_cast<double>(row) * kUnit + 13, t);
    out += fmt::format(
        "<rect x='{}' y='{}' width='{}' height='{}' fill='{}' class='cell'><title>token {}: {:.3g} x "
        "allowed</title></rect>",
        static_cast<double>(column) * kUnit + 40, static_cast<double>(row) * kUnit, kUnit, kUnit,
        heat.colour(excess[t]), t, excess[t]);
  }
  return out + "</svg>";
}

/// f32 pixels of pictures, then of clips; empty if the trace has none of the wanted shape.
Tensor pixels_in(const Theirs& theirs, int64_t patches, const VisionConfig& c) {
  Tensor all(DType::f32, {patches, c.patch_numbers()});
  int64_t row = 0;
  for (const char* name : {"pixel_values", "pixel_values_videos"}) {
    const auto found = theirs.points.find(name);
    if (found == theirs.points.end()) continue;
    const ConstTensorView v = found->second;
    if (!is_float(v.dtype) || v.rank != 2 || v.dim[1] != c.patch_numbers() || row + v.dim[0] > patches) return {};
    convert(v, slice(all.view, 0, row, row + v.dim[0]));
    row += v.dim[0];
  }
  return row == patches ? all : Tensor();
}

std::vector<Grid> grids_in(const Theirs& theirs) {
  std::vector<Grid> grids;
  for (const char* name : {"image_grid_thw", "video_grid_thw"}) {
    const auto found = theirs.points.find(name);
    if (found == theirs.points.end() || found->second.dtype != DType::i64 || found->second.rank != 2) continue;
    Tensor rows(DType::i64, found->second);
    convert(found->second, rows.view);
    for (int64_t i = 0; i < rows.view.dim[0]; ++i) {
      const int64_t* g = rows.data<int64_t>() + 3 * i;
      grids.push_back({g[0], g[1], g[2]});
    }
  }
  return grids;
}

}  // namespace

std::string heat_map(const PointResult& point, const Theirs& theirs, const ModelConfig& config) {
  if (point.row_excess.empty()) return "";
  const auto rows = static_cast<int64_t>(point.row_excess.size());
  if (stage_of(point.name) < 4 || stage_of(point.name) > 7) return token_map(point.row_excess);
  const PatchPositions at = patch_positions(grids_in(theirs), config.vision.spatial_merge_size);
  const auto patches = static_cast<int64_t>(at.y.size());
  const int64_t merge = config.vision.spatial_merge_size, cell = rows == patches ? 1 : merge;
  if (patches == 0 || rows * cell * cell != patches) return token_map(point.row_excess);
  const Tensor pixels = pixels_in(theirs, patches, config.vision);
  std::string out;
  for (const FramePatches& f : frames_of(at)) {
    std::string picture;
    if (pixels) picture = "data:image/bmp;base64," + base64_encode(bitmap(pixels_of(f, at, pixels, config.vision)));
    out += frame_map(f, at, point.row_excess, cell, picture);
  }
  return out;
}

}  // namespace glmv
