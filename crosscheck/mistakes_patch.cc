// Stages 4 and 5: patch embedding and the learned position table.
#include <algorithm>
#include <cmath>

#include "crosscheck/mistake_tools.h"
#include "crosscheck/resample.h"
#include "reference/linear.h"
#include "reference/pos_embed.h"
#include "reference/pos_embed_taps.h"
#include "reference/rmsnorm.h"

namespace glmv {
namespace {

// ---- patch embedding

/// Inputs and weights of a marked product in half precision, the sums as ever.
void half_linear(const LinearArgs& a, Exec exec) {
  if (!is_marked(a.w.data)) return ref::linear(a, exec);
  const Tensor x = rounded(a.x, DType::f16);
  ref::linear({x.view, a.w, a.bias, a.out}, exec);
}

void patches_in_half(Mutant& m) {
  Weight& w = m.model.weights.vision.patch_embed;
  round_weight(m, w, DType::f16);
  mark(m, w);
  m.backend.ops.linear.run = half_linear;
}

/// Columns are (channel, time, pixel).
void patch_columns(Mutant& m, int64_t (*from)(int64_t column, int64_t slots, int64_t plane)) {
  const VisionConfig& c = m.model.config.vision;
  const int64_t slots = c.temporal_patch_size, plane = c.patch_size * c.patch_size;
  permute_columns(m, m.model.weights.vision.patch_embed, [=](int64_t column) { return from(column, slots, plane); });
}

/// Only the first of the two time slots of the convolution.
void first_slot_only(Mutant& m) {
  const VisionConfig& c = m.model.config.vision;
  Weight& w = m.model.weights.vision.patch_embed;
  if (!w) return;
  const int64_t plane = c.patch_size * c.patch_size, cols = w.cols();
  const Tensor value = f64_of(w.data);
  for (int64_t i = 0; i < value.view.size(); ++i) {
    if (i % cols / plane % c.temporal_patch_size != 0) value.data<double>()[i] = 0;
  }
  replace(m, w, value);
}

/// A norm that is left out where its weight is marked.
void post_conv_norm_omitted(Mutant& m) {
  mark(m, m.model.weights.vision.post_conv_norm);
  m.backend.ops.rmsnorm.run = norm_left_out;
}

// ---- position table: two passes of four taps each, which the variants below fill in their own way

using Taps = PosEmbedTapsArgs;

/// Where a sample lies between the table's entries: align_corners false, as the reference has it.
double between_centres(int64_t position, int64_t extent, int64_t side) {
  return (static_cast<double>(position) + 0.5) / static_cast<double>(extent) * static_cast<double>(side) - 0.5;
}
/// align_corners true: the outermost patches stand on the outermost entries.
double between_corners(int64_t position, int64_t extent, int64_t side) {
  if (extent == 1) return 0;
  return static_cast<double>(position) * static_cast<double>(side - 1) / static_cast<double>(extent - 1);
}
/// Coordinates that were normalised for align_corners false, read with it true: grid_sample with the wrong flag.
double stretched(int64_t position, int64_t extent, int64_t side) {
  return (static_cast<double>(position) + 0.5) / static_cast<double>(extent) * static_cast<double>(side - 1);
}

double cubic_75(double x) { return cubic(x, -0.75); }
double cubic_50(double x) { return cubic(x, -0.5); }
double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }
double box(double x) { return x >= -0.5 && x < 0.5 ? 1 : 0; }

struct Sampling {
  double (*at)(int64_t position, int64_t extent, int64_t side) = between_centres;
  double (*weight)(double distance) = cubic_75;
  bool zeros = false;    ///< taps outside count as zeros; else they repeat the border
  bool clamped = false;  ///< the coordinate is brought inside before taps are taken
};

void sample(const Taps& a, const Sampling& s) {
  const auto position = as<int32_t, 2>(a.positions), extent = as<int32_t, 2>(a.extents);
  const TensorView indices[] = {a.index_y, a.index_x}, weights[] = {a.weight_y, a.weight_x};
  for (int axis = 0; axis < 2; ++axis) {
    const auto index = as<int32_t, 2>(indices[axis]);
    const auto weight = as<float, 2>(weights[axis]);
    for (int64_t p = 0; p < position.dim[1]; ++p) {
      double at = s.at(position(axis, p), extent(axis, p), a.side);
      if (s.clamped) at = std::clamp(at, 0.0, static_cast<double>(a.side - 1));
      const auto base = static_cast<int64_t>(std::floor(at));
      for (int64_t i = 0; i < 4; ++i) {
        const int64_t tap = base - 1 + i;
        const bool outside = tap < 0 || tap >= a.side;
        index(p, i) = static_cast<int32_t>(std::clamp<int64_t>(tap, 0, a.side - 1));
        weight(p, i) = outside && s.zeros ? 0 : static_cast<float>(s.weight(at - static_cast<double>(tap)));
      }
    }
  }
}

constexpr Sampling kBilinearZeros{between_centres, triangle, true}, kBilinearBorder{between_centres, triangle},
    kBicubicZeros{between_centres, cubic_75, true}, kCorners{between_corners, cubic_75},
    kBilinearCorners{between_corners, triangle}, kStretched{stretched, cubic_75}, kNearest{between_centres, box},
    kSoft{between_centres, cubic_50}, kClamped{between_centres, cubic_75, false, true};

template <const Sampling& sampling>
void sampled_by(Mutant& m) {
  m.backend.ops.pos_embed_taps.run = [](const Taps& a, Exec) { sample(a, sampling); };
}

/// Height looked up where width belongs and the reverse.
void swapped_axes(const Taps& a, Exec exec) {
  ref::pos_embed_taps({a.positions, a.extents, a.side, a.index_x, a.index_y, a.weight_x, a.weight_y}, exec);
}

void weights_in_bf16(const Taps& a, Exec exec) {
  ref::pos_embed_taps(a, exec);
  for (const TensorView& w : {a.weight_y, a.weight_x}) convert(rounded(w, DType::bf16).view, w);
}

/// The table's entry of the same row and column, as if every picture had the table's size.
void not_resampled(const Taps& a, Exec) {
  const auto position = as<int32_t, 2>(a.positions);
  const TensorView indices[] = {a.index_y, a.index_x}, weights[] = {a.weight_y, a.weight_x};
  for (int axis = 0; axis < 2; ++axis) {
    const auto index = as<int32_t, 2>(indices[axis]);
    const auto weight = as<float, 2>(weights[axis]);
    for (int64_t p = 0; p < position.dim[1]; ++p) {
      for (int64_t i = 0; i < 4; ++i) {
        index(p, i) = static_cast<int32_t>(std::min<int64_t>(position(axis, p), a.side - 1));
        weight(p, i) = i == 1 ? 1.0f : 0.0f;
      }
    }
  }
}

std::vector<Mistake> table_mistakes() {
  const auto entry = [](const char* name, const char* wrong, const char* right, void (*build)(Mutant&)) {
    return Mistake{name, 5, "model.visual.embeddings", wrong, right, "reference/pos_embed_taps.h", build};
  };
  const char* sampling = "bicubic with A = -0.75 in f32, align_corners false, taps outside repeat the border";
  return {
      entry("posembed=bilinear_zeros", "the position table is sampled bilinearly with zeros outside", sampling,
            sampled_by<kBilinearZeros>),
      entry("posembed=bilinear_border", "the position table is sampled bilinearly", sampling,
            sampled_by<kBilinearBorder>),
      entry("posembed=bicubic_zeros", "taps outside the position table count as zeros", sampling,
            sampled_by<kBicubicZeros>),
      entry("posembed=align_corners", "the outermost patches stand on the outermost entries of the table", sampling,
            sampled_by<kCorners>),
      entry("posembed=align_corners_flag",
            "coordinates for align_corners false are read with align_corners true: grid_sample with the wrong flag",
            sampling, sampled_by<kStretched>),
      entry("posembed=bilinear_align_corners",
            "bilinear, and the outermost patches stand on the outermost entries of the table", sampling,
            sampled_by<kBilinearCorners>),
      entry("posembed=nearest", "the nearest entry of the position table is taken", sampling, sampled_by<kNearest>),
      entry("posembed=clamped", "coordinates are clamped to the table before taps are taken",
            "each tap's index is clamped, not the coordinate", sampled_by<kClamped>),
      entry("posembed=soft_cubic", "the cubic kernel has A = -0.5", sampling, sampled_by<kSoft>),
      entry("posembed=swapped_axes", "rows and columns of the position table are exchanged",
            "x follows width, y follows height", [](Mutant& m) { m.backend.ops.pos_embed_taps.run = swapped_axes; }),
      entry("posembed=omitted", "the learned position table is not added", "it is added behind the first norm",
            [](Mutant& m) { m.backend.ops.pos_embed.run = [](const PosEmbedArgs& a, Exec) { convert(a.x, a.out); }; }),
      entry("posembed=not_resampled", "row y, column x of the table is taken, whatever the picture's size", sampling,
            [](Mutant& m) { m.backend.ops.pos_embed_taps.run = not_resampled; }),
      entry("posembed=bf16_weights", "weights of the taps are rounded to bf16", sampling,
            [](Mutant& m) { m.backend.ops.pos_embed_taps.run = weights_in_bf16; }),
  };
}

std::vector<Mistake> embedding_mistakes() {
  const auto entry = [](const char* name, const char* wrong, const char* right, const char* source,
                        void (*build)(Mutant&)) {
    return Mistake{name, 4, "model.visual.patch_embed", wrong, right, source, build};
  };
  const char* header = "reference/model/vision.h";
  const char* order = "columns are channel, time, y, x";
  std::vector<Mistake> all = {
      entry("patch_embed=not_loaded", "the convolution's weights were never loaded and are zero",
            "model.visual.patch_embed.proj.weight", "https://github.com/sgl-project/sglang/pull/20463",
            [](Mutant& m) { set_zero(m, m.model.weights.vision.patch_embed); }),
      entry("patch_bias=omitted", "the convolution's bias is left out", "patch_embed.proj has a bias", header,
            [](Mutant& m) { set_zero(m, m.model.weights.vision.patch_embed_bias); }),
      entry("patch_embed=f16", "pixels and the convolution's weights are rounded to half precision",
            "both have the type of the run", "https://github.com/ggml-org/llama.cpp/pull/18042", patches_in_half),
      entry("patch_weights=channels_last", "the convolution is read as (time, y, x, channel)", order, header,
            [](Mutant& m) {
              patch_columns(m, [](int64_t c, int64_t slots, int64_t plane) {
                return c / plane % slots * plane * 3 + c % plane * 3 + c / plane / slots;
              });
            }),
      entry("patch_weights=time_first", "the convolution is read as (time, channel, y, x)", order, header,
            [](Mutant& m) {
              patch_columns(m, [](int64_t c, int64_t slots, int64_t plane) {
                return (c / plane % slots * 3 + c / plane / slots) * plane + c % plane;
              });
            }),
      entry("patch_embed=first_slot", "only the first time slot of the convolution is used",
            "a still fills both slots, so their kernels add up", header, first_slot_only),
  };
  all.push_back({"post_conv_norm=omitted", 4, "model.visual.post_conv_layernorm",
                 "the norm behind the convolution is left out", "RMSNorm before the position table is added", header,
                 post_conv_norm_omitted});
  return all;
}

}  // namespace

std::vector<Mistake> patch_mistakes() {
  std::vector<Mistake> all = embedding_mistakes();
  for (Mistake& m : table_mistakes()) all.push_back(std::move(m));
  return all;
}

}  // namespace glmv
