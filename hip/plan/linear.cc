#include "hip/plan/linear.h"

#include <algorithm>
#include <limits>

namespace glmv::hip_plan {
namespace {

bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

/// Rows of bf16 whose chunks of eight are 16-byte aligned.
bool rows_of_chunks(const ConstTensorView& v) {
  return v.dtype == DType::bf16 && aligned(v.data) && (v.dim[1] == 1 || v.stride[1] == 1) &&
         (v.dim[0] <= 1 || v.stride[0] % 8 == 0);
}

bool takes_wide_stores(const TensorView& out) {
  return aligned(out.data) && out.dim[1] % 4 == 0 && (out.dim[0] <= 1 || out.stride[0] % 4 == 0);
}

/// Slices of K, for blocks that are too few for two on each compute unit: as many as give it two, but a wave has at
/// least two steps of its slice, and writing and reading the sums stays under a quarter of reading w:
/// 8 T N splits <= 2 N K / 4.
int splits_for(int64_t tokens, int64_t k, int64_t blocks, const Device& device) {
  const int64_t wanted_blocks = int64_t{2} * device.compute_units;
  if (4 * blocks >= 3 * wanted_blocks) return 1;
  const int64_t wanted = ceil_div(wanted_blocks, blocks);
  const int64_t most = std::min<int64_t>(k / (2 * kSkinnyWaves * kSkinnyStep), k / (16 * tokens));
  return static_cast<int>(std::max<int64_t>(1, std::min(wanted, most)));
}

void plan_skinny(LinearPlan& p, int64_t tokens, int64_t n, int64_t k, const Device& device, bool may_split) {
  const int* tile =
      std::find_if(std::begin(kSkinnyTokens), std::end(kSkinnyTokens), [&](int t) { return t >= tokens; });
  p.path = LinearPath::skinny;
  p.tile = {*tile, kSkinnyFeatures};
  const int64_t blocks = ceil_div(n, kSkinnyFeatures), steps = ceil_div(k, kSkinnyStep);
  p.blocks = static_cast<int>(blocks);
  const int64_t each = ceil_div(steps, may_split ? splits_for(tokens, k, blocks, device) : 1);
  p.split_columns = static_cast<int>(each * kSkinnyStep);
  p.splits = static_cast<int>(ceil_div(steps, each));  // equal slices, none of them empty
  if (p.splits > 1) p.scratch_bytes = static_cast<size_t>(p.splits) * static_cast<size_t>(tokens * n) * sizeof(float);
}

int64_t tiles_of(const Extents& t, int64_t tokens, int64_t n) {
  return ceil_div(tokens, t.tokens) * ceil_div(n, t.features);
}

/// The largest tiles that keep three fifths of the device busy: they move the fewest bytes per product.
void plan_dense(LinearPlan& p, int64_t tokens, int64_t n, const Device& device) {
  const auto fills = [&](const Extents& t) { return 5 * tiles_of(t, tokens, n) >= int64_t{3} * device.compute_units; };
  p.path = LinearPath::dense;
  p.tile = fills(kDenseLarge) ? kDenseLarge : fills(kDenseMedium) ? kDenseMedium : kDenseSmall;
  const int64_t tiles = tiles_of(p.tile, tokens, n);
  GLMV_CHECK(tiles <= std::numeric_limits<int>::max(), "linear: ", tiles, " tiles are more than a grid has blocks");
  p.blocks = static_cast<int>(tiles);
}

}  // namespace

const char* name_of(LinearPath p) {
  switch (p) {
    case LinearPath::naive: return "naive";
    case LinearPath::gemv: return "gemv";
    case LinearPath::skinny: return "skinny";
    case LinearPath::dense: return "dense";
  }
  return "?";
}

bool has_fast_path(const LinearArgs& a) {
  const bool types = a.w.format == Format::plain && (a.out.dtype == DType::bf16 || a.out.dtype == DType::f32) &&
                     (!a.bias || a.bias.dtype == DType::bf16 || a.bias.dtype == DType::f32);
  return types && a.x.dim[1] > 0 && a.x.dim[1] % 8 == 0 && rows_of_chunks(a.x) && rows_of_chunks(a.w.data) &&
         (a.out.dim[1] == 1 || a.out.stride[1] == 1);
}

LinearPlan plan_linear(const LinearArgs& a, const Device& device, bool may_split) {
  LinearPlan p;
  const int64_t tokens = a.x.dim[0], n = a.w.rows(), k = a.x.dim[1];
  if (!has_fast_path(a) || tokens == 0 || n == 0 || (tokens > 1 && !device.mfma)) return p;
  constexpr int64_t kMost = std::numeric_limits<int>::max() - 1024;  // indices of a ragged tile go beyond the end
  GLMV_CHECK(tokens <= kMost && n <= kMost && k <= kMost, "linear: x ", a.x, " w ", a.w, " has an extent beyond ",
             kMost);
  if (tokens == 1) {
    p.path = LinearPath::gemv;
    p.blocks = static_cast<int>(ceil_div(n, kGemvWaves * kGemvRows));
  } else if (tokens <= kSkinnyTokens[2]) {
    plan_skinny(p, tokens, n, k, device, may_split);
  } else {
    plan_dense(p, tokens, n, device);
  }
  p.wide_stores = takes_wide_stores(a.out);
  return p;
}

}  // namespace glmv::hip_plan
