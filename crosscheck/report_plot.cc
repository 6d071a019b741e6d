#include "crosscheck/report_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crosscheck/stages.h"
#include "data/base64.h"
#include "data/html.h"

namespace glmv {
namespace {

constexpr double kWidth = 960, kHeight = 340, kLeft = 70, kRight = 16, kTop = 16, kBottom = 48;

/// One output of a block or layer.
struct Sample {
  std::string name;
  double theirs, floor, isolated;  ///< isolated < 0: not known
};

std::vector<Sample> samples_of(const CrosscheckReport& report) {
  std::vector<Sample> out;
  for (const PointResult& p : report.points) {
    const PointName at = split_step(p.name);
    const LayerPoint layer = split_layer(at.point);
    if (at.step > 0 || p.kind != PointKind::noise || layer.layer < 0 || !layer.inner.empty()) continue;
    const IsolatedPoint* isolated = report.isolation ? report.isolation->find(p.name) : nullptr;
    out.push_back({p.name, p.theirs.relative_l2, p.floor_l2, isolated ? isolated->result.theirs.relative_l2 : -1});
  }
  return out;
}

/// What is drawn of a number: zero and less stand at the bottom.
class LogAxis {
 public:
  explicit LogAxis(const std::vector<Sample>& samples) {
    for (const Sample& s : samples) {
      for (const double v : {s.theirs, s.floor, s.isolated}) take(v);
    }
    if (low_ > high_) low_ = -8, high_ = 0;
    if (high_ == low_) ++high_;
  }
  double y(double v) const {
    const double at = v > 0 && std::isfinite(v) ? std::clamp(std::log10(v), low_, high_) : v > 0 ? high_ : low_;
    return kHeight - kBottom - (at - low_) / (high_ - low_) * (kHeight - kTop - kBottom);
  }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  void take(double v) {
    if (!(v > 0) || !std::isfinite(v)) return;
    low_ = std::min(low_, std::floor(std::log10(v)));
    high_ = std::max(high_, std::ceil(std::log10(v)));
  }
  double low_ = 1e9, high_ = -1e9;
};

double x_of(size_t i, size_t n) {
  return kLeft + (static_cast<double>(i) + 0.5) / static_cast<double>(n) * (kWidth - kLeft - kRight);
}

std::string axes(const LogAxis& axis, const std::vector<Sample>& samples) {
  std::string out;
  for (double e = axis.low(); e <= axis.high(); ++e) {
    const double y = axis.y(std::pow(10, e));
    out += fmt::format(
        "<line x1='{}' y1='{:.1f}' x2='{}' y2='{:.1f}' class='grid'/><text x='{}' y='{:.1f}' class='tick' "
        "text-anchor='end'>1e{:+.0f}</text>",
        kLeft, y, kWidth - kRight, y, kLeft - 8, y + 4, e);
  }
  const size_t every = std::max<size_t>(1, samples.size() / 24);
  for (size_t i = 0; i < samples.size(); i += every) {
    const LayerPoint at = split_layer(samples[i].name);
    out += fmt::format("<text x='{:.1f}' y='{}' class='tick' text-anchor='middle'>{}{}</text>", x_of(i, samples.size()),
                       kHeight - kBottom + 18, stage_of(samples[i].name) == 6 ? 'v' : 't', at.layer);
  }
  return out + fmt::format(
                   "<text x='{}' y='{}' class='axis' text-anchor='middle'>output of vision block v and decoder layer "
                   "t</text>",
                   (kLeft + kWidth) / 2, kHeight - 8);
}

template <class Value>
std::string line(const std::vector<Sample>& samples, const LogAxis& axis, const char* look, Value value) {
  std::string points;
  for (size_t i = 0; i < samples.size(); ++i)
    points += fmt::format("{:.1f},{:.1f} ", x_of(i, samples.size()), axis.y(value(samples[i])));
  return fmt::format("<polyline points='{}' class='{}'/>", points, look);
}

std::string legend(bool isolated) {
  std::string out;
  double x = kLeft + 12;
  const auto entry = [&](const char* look, const char* words, double width) {
    out += fmt::format(
        "<line x1='{0}' y1='26' x2='{1}' y2='26' class='{2}'/><text x='{3}' y='30' class='label'>{4}</text>", x, x + 24,
        look, x + 30, words);
    x += width;
  };
  entry("theirs", "theirs, end to end", 180);
  entry("floor", "floor: our own run in their type", 260);
  if (isolated) entry("isolated", "theirs, from their own input", 220);
  return out;
}

// ---- Heat maps

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

}  // namespace

std::string layer_curve_svg(const CrosscheckReport& report) {
  const std::vector<Sample> samples = samples_of(report);
  if (samples.size() < 2) return "";
  const LogAxis axis(samples);
  std::string out = fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='error by layer'>", kWidth, kHeight);
  out += axes(axis, samples);
  out += line(samples, axis, "floor", [](const Sample& s) { return s.floor; });
  out += line(samples, axis, "theirs", [](const Sample& s) { return s.theirs; });
  const bool isolated = std::any_of(samples.begin(), samples.end(), [](const Sample& s) { return s.isolated >= 0; });
  if (isolated) out += line(samples, axis, "isolated", [](const Sample& s) { return s.isolated; });
  for (size_t i = 0; i < samples.size(); ++i) {
    out += fmt::format(
        "<circle cx='{:.1f}' cy='{:.1f}' r='3' class='dot'><title>{}: {:.3g}, floor {:.3g}</title></circle>",
        x_of(i, samples.size()), axis.y(samples[i].theirs), html_escaped(samples[i].name), samples[i].theirs,
        samples[i].floor);
  }
  return out + legend(isolated) + "</svg>";
}

namespace {

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
