#include "crosscheck/mistake_tools.h"

#include <algorithm>
#include <cmath>

namespace glmv {
namespace {

constexpr double kLargestFp8 = 448;

/// Which part of the model this thread runs: the tower's rotary table is made first, then the decoder's.
thread_local bool tower_runs = false;

void watched_rope_table(const RopeTableArgs& a, Exec exec) {
  note_part(a);
  ref::rope_table(a, exec);
}

bool is_plain(const Weight& w) { return static_cast<bool>(w) && w.format == Format::plain; }

/// The scale of a row that puts its largest value at the end of FP8's range; 1 for a row of zeros.
double fp8_scale(const double* row, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(row[i]));
  return largest > 0 ? largest / kLargestFp8 : 1;
}

}  // namespace

Mutant::Mutant(const Model& of) : model(of), backend(cpu_backend()) {}

// A vector or a matrix has no fifth axis: its stride there says nothing and is copied along with the view.
constexpr int64_t kMark = -4711;

void mark(Mutant& m, Weight& w) {
  m.selective = true;
  w.data.stride[kMaxRank - 1] = kMark;
}

bool is_marked(const ConstTensorView& weight) { return weight.stride[kMaxRank - 1] == kMark; }

void norm_left_out(const RmsNormArgs& a, Exec exec) {
  if (is_marked(a.weight)) return convert(a.x, a.out);
  ref::rmsnorm(a, exec);
}

void for_blocks(Mutant& m, const std::function<void(VisionBlockWeights&)>& f) {
  for (VisionBlockWeights& b : m.model.weights.vision.blocks) f(b);
}

void for_layers(Mutant& m, const std::function<void(TextLayerWeights&)>& f) {
  for (TextLayerWeights& layer : m.model.weights.layers) f(layer);
}

void for_moe(Mutant& m, const std::function<void(MoeWeights&)>& f) {
  for_layers(m, [&](TextLayerWeights& layer) {
    if (layer.moe.gate) f(layer.moe);
  });
}

void replace(Mutant& m, Weight& w, const Tensor& value) {
  m.model.weights.owned.push_back(value);
  w = {};
  w.data = value.view;
}

void set_zero(Mutant& m, Weight& w) {
  if (w) replace(m, w, Tensor(w.format == Format::plain ? w.data.dtype : DType::f32, w.data));
}

void round_weight(Mutant& m, Weight& w, DType to) {
  if (!is_plain(w)) return;
  Tensor coarse(to, w.data), value(DType::f32, w.data);
  convert(w.data, coarse.view);
  convert(coarse.view, value.view);
  replace(m, w, value);
}

void scale_weight(Mutant& m, Weight& w, double factor) {
  if (!is_plain(w)) return;
  Tensor value = f64_of(w.data);
  for (int64_t i = 0; i < value.view.size(); ++i) value.data<double>()[i] *= factor;
  replace(m, w, value);
}

void quantise_rows(Mutant& m, Weight& w) {
  if (!is_plain(w) || w.data.rank != 2) return;
  Tensor values = f64_of(w.data);
  const int64_t rows = w.rows(), cols = w.cols();
  Tensor data(DType::f8e4m3, w.data), scale(DType::f32, {rows, 1});
  for (int64_t r = 0; r < rows; ++r) {
    double* row = values.data<double>() + r * cols;
    const auto s = static_cast<float>(fp8_scale(row, cols));
    scale.data<float>()[r] = s;
    for (int64_t c = 0; c < cols; ++c) row[c] /= static_cast<double>(s);
  }
  convert(values.view, data.view);
  replace(m, w, data);
  m.model.weights.owned.push_back(scale);
  w.format = Format::fp8_per_row;
  w.scale = scale.view;
}

void permute_rows(Mutant& m, Weight& w, const std::function<int64_t(int64_t)>& from) {
  if (!is_plain(w)) return;
  Tensor value(w.data.dtype, w.data);
  for (int64_t r = 0; r < w.data.dim[0]; ++r)
    convert(slice(w.data, 0, from(r), from(r) + 1), slice(value.view, 0, r, r + 1));
  replace(m, w, value);
}

void permute_columns(Mutant& m, Weight& w, const std::function<int64_t(int64_t)>& from) {
  if (!is_plain(w) || w.data.rank != 2) return;
  Tensor value(w.data.dtype, w.data);
  for (int64_t c = 0; c < w.cols(); ++c)
    convert(slice(w.data, 1, from(c), from(c) + 1), slice(value.view, 1, c, c + 1));
  replace(m, w, value);
}

Tensor rounded(const ConstTensorView& x, DType to) {
  Tensor coarse(to, x), back(x.dtype, x);
  convert(x, coarse.view);
  convert(coarse.view, back.view);
  return back;
}

Tensor through_fp8(const ConstTensorView& x) {
  Tensor values = f64_of(x), codes(DType::f8e4m3, x), back(x.dtype, x);
  const int64_t width = x.dim[x.rank - 1], rows = x.size() / width;
  std::vector<double> scales;
  for (int64_t r = 0; r < rows; ++r) {
    double* row = values.data<double>() + r * width;
    scales.push_back(fp8_scale(row, width));
    for (int64_t i = 0; i < width; ++i) row[i] /= scales.back();
  }
  convert(values.view, codes.view);
  convert(codes.view, values.view);
  for (int64_t i = 0; i < x.size(); ++i) values.data<double>()[i] *= scales[static_cast<size_t>(i / width)];
  convert(values.view, back.view);
  return back;
}

void watch_parts(Mutant& m) {
  m.selective = true;
  m.backend.ops.rope_table.run = watched_rope_table;
}

void note_part(const RopeTableArgs& a) { tower_runs = is_tower(a); }

bool in_tower() { return tower_runs; }

}  // namespace glmv
