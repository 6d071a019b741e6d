// What entries of the catalogue are made of: weights that are marked, replaced, rounded or permuted.
#pragma once

#include <functional>

#include "crosscheck/mistakes.h"
#include "reference/core/compare.h"
#include "reference/rmsnorm.h"
#include "reference/rope_table.h"

namespace glmv {

/// Marks a weight, so that an op of a wrong table knows the one it is meant for.
void mark(Mutant& m, Weight& w);
bool is_marked(const ConstTensorView& weight);
/// RMSNorm, but a marked norm passes x on.
void norm_left_out(const RmsNormArgs& a, Exec exec);

/// f for every block of the tower, every decoder layer, every layer with experts.
void for_blocks(Mutant& m, const std::function<void(VisionBlockWeights&)>& f);
void for_layers(Mutant& m, const std::function<void(TextLayerWeights&)>& f);
void for_moe(Mutant& m, const std::function<void(MoeWeights&)>& f);

/// Puts `value` in a weight's place, as a plain weight.
void replace(Mutant& m, Weight& w, const Tensor& value);
/// A weight that was never loaded.
void set_zero(Mutant& m, Weight& w);
/// The same values, stored in a coarser type.
void round_weight(Mutant& m, Weight& w, DType to);
void scale_weight(Mutant& m, Weight& w, double factor);
/// Quantised to FP8 with one scale per row.
void quantise_rows(Mutant& m, Weight& w);
/// New row r is old row from(r); the same for columns. Empty, scaled and quantised weights stay as they are.
void permute_rows(Mutant& m, Weight& w, const std::function<int64_t(int64_t)>& from);
void permute_columns(Mutant& m, Weight& w, const std::function<int64_t(int64_t)>& from);

/// x rounded to a coarser type, in the type of x.
Tensor rounded(const ConstTensorView& x, DType to);
/// x quantised to FP8 and back, with one scale per row (the last axis).
Tensor through_fp8(const ConstTensorView& x);

/// Lets ops ask in which part of the model they run.
void watch_parts(Mutant& m);
/// For a wrong rope_table: says which part begins.
void note_part(const RopeTableArgs& a);
bool in_tower();
inline bool is_tower(const RopeTableArgs& a) { return a.positions.dim[0] == 2; }

/// out[t] = f(x[t]) with rows in f64; f(values, width).
template <class F>
void map_rows(const ConstTensorView& x, const TensorView& out, F f) {
  Tensor values = f64_of(x);
  for (int64_t t = 0; t < x.dim[0]; ++t) f(values.data<double>() + t * x.dim[1], x.dim[1]);
  convert(values.view, out);
}

}  // namespace glmv
