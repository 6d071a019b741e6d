#include "cuda/plan/linear.h"

#include <algorithm>
#include <limits>

#include "cuda/plan/moe_plan.h"

namespace glmv::cuda_plan {
namespace {

bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

/// Rows of bf16 whose chunks of eight are 16-byte aligned.
bool rows_of_chunks(const ConstTensorView& v) {
  return v.dtype == DType::bf16 && aligned(v.data) && (v.dim[1] == 1 || v.stride[1] == 1) &&
         (v.dim[0] <= 1 || v.stride[0] % 8 == 0);
}

bool takes_wide_stores(const TensorView& out) {
  const auto per_chunk = static_cast<int64_t>(16 / size_of(out.dtype));
  return aligned(out.data) && out.dim[1] % 8 == 0 && (out.dim[0] <= 1 || out.stride[0] % per_chunk == 0);
}

/// Slices of K, for a device that fewer blocks than three quarters of its multiprocessors would leave idle: as many as
/// bring enough weights in flight (two blocks per multiprocessor, one of the large tiles), but each at least four steps
/// long (a shorter one ends before its pipeline is full), and so few that writing and reading the sums stays under a
/// quarter of reading w: 8 T N splits <= 2 N K / 4.
int splits_for(const Tile& tile, int64_t tokens, int64_t k, int64_t blocks, int multiprocessors) {
  if (4 * blocks >= 3 * int64_t{multiprocessors}) return 1;
  const int64_t wanted = ceil_div(int64_t{multiprocessors} * 128 / tile.rows, blocks);
  const int64_t most = std::min(ceil_div(k, tile.depth) / 4, k / (16 * tokens));
  return static_cast<int>(std::max<int64_t>(1, std::min(wanted, most)));
}

void plan_skinny(LinearPlan& p, int64_t tokens, int64_t n, int64_t k, const Device& device) {
  const int* tile =
      std::find_if(std::begin(kSkinnyTokens), std::end(kSkinnyTokens), [&](int t) { return t >= tokens; });
  p.path = LinearPath::skinny;
  p.tile = skinny_tile(*tile);
  const int64_t steps = ceil_div(k, p.tile.depth), blocks = ceil_div(n, p.tile.rows);
  p.blocks = static_cast<int>(blocks);
  const int splits = splits_for(p.tile, tokens, k, blocks, device.multiprocessors);
  p.steps_per_split = static_cast<int>(ceil_div(steps, splits));
  p.splits = static_cast<int>(ceil_div(steps, p.steps_per_split));  // equal slices, none of them empty
  if (p.splits > 1) p.scratch_bytes = static_cast<size_t>(p.splits) * static_cast<size_t>(tokens * n) * sizeof(float);
}

int64_t tiles_of(const Tile& t, int64_t tokens, int64_t n) { return ceil_div(tokens, t.rows) * ceil_div(n, t.columns); }

/// Large tiles move half the bytes per product, but are too few for a small problem: then small ones.
void plan_dense(LinearPlan& p, int64_t tokens, int64_t n, int64_t k, const Device& device) {
  const bool large = tiles_of(kDenseLarge, tokens, n) >= device.multiprocessors;
  p.path = LinearPath::dense;
  p.tile = large ? kDenseLarge : kDenseSmall;
  const int64_t tiles = tiles_of(p.tile, tokens, n);
  GLMV_CHECK(tiles <= std::numeric_limits<int>::max(), "linear: ", tiles, " tiles are more than a grid has blocks");
  p.blocks = static_cast<int>(tiles);
  p.steps_per_split = static_cast<int>(ceil_div(k, p.tile.depth));
}

/// Tiles like those of an expert that all tokens go to; a tile's shared memory is the kernel's own affair.
void plan_codes(LinearPlan& p, int64_t tokens, int64_t n) {
  const bool few = tokens <= kFewTokens;
  p.path = few ? LinearPath::codes_few : LinearPath::codes_tiles;
  if (few) {
    p.blocks = static_cast<int>(ceil_div(n, kGemvRows));
    return;
  }
  const TileExtents tile = tile_for(tokens, 1);
  p.tile = {tile.rows, tile.weight_rows, 0, 0};
  const int64_t blocks = ceil_div(tokens, tile.rows);
  GLMV_CHECK(blocks <= gpu_plan::kMaxGridY, "linear: ", tokens, " tokens are too many for one launch with FP8 weights");
  p.blocks = static_cast<int>(blocks);
}

/// What x, bias and out must be for any tuned kernel.
bool has_fast_operands(const LinearArgs& a) {
  const bool types = (a.out.dtype == DType::bf16 || a.out.dtype == DType::f32) &&
                     (!a.bias || a.bias.dtype == DType::bf16 || a.bias.dtype == DType::f32);
  return types && a.x.dim[1] > 0 && a.x.dim[1] % 8 == 0 && rows_of_chunks(a.x) &&
         (a.out.dim[1] == 1 || a.out.stride[1] == 1);
}

}  // namespace

const char* name_of(LinearPath p) {
  switch (p) {
    case LinearPath::naive: return "naive";
    case LinearPath::gemv: return "gemv";
    case LinearPath::skinny: return "skinny";
    case LinearPath::dense: return "dense";
    case LinearPath::codes_few: return "few tokens, FP8 weights";
    case LinearPath::codes_tiles: return "FP8 weights";
  }
  return "?";
}

bool has_fast_path(const LinearArgs& a) {
  return a.w.format == Format::plain && rows_of_chunks(a.w.data) && has_fast_operands(a);
}

bool reads_codes(const LinearArgs& a) {
  const ConstTensorView& w = a.w.data;
  const bool codes = a.w.format == Format::fp8_per_row && w.dtype == DType::f8e4m3 && a.w.scale.dtype == DType::f32;
  return codes && aligned(w.data) && w.dim[1] % 16 == 0 && w.stride[1] == 1 &&
         (w.dim[0] <= 1 || w.stride[0] % 16 == 0) && has_fast_operands(a);
}

LinearPlan plan_linear(const LinearArgs& a, const Device& device) {
  LinearPlan p;
  const int64_t tokens = a.x.dim[0], n = a.w.rows(), k = a.x.dim[1];
  const bool codes = reads_codes(a);
  if ((!codes && !has_fast_path(a)) || tokens == 0 || n == 0) return p;
  constexpr int64_t kMost = std::numeric_limits<int>::max() - 1024;  // indices of a ragged tile go beyond the end
  GLMV_CHECK(tokens <= kMost && n <= kMost && k <= kMost, "linear: x ", a.x, " w ", a.w, " has an extent beyond ",
             kMost);
  if (codes) {
    plan_codes(p, tokens, n);
  } else if (tokens == 1) {
    p.path = LinearPath::gemv;
    p.blocks = static_cast<int>(ceil_div(n, kGemvRows));
  } else if (tokens <= kSkinnyTokens[3]) {
    plan_skinny(p, tokens, n, k, device);
  } else {
    plan_dense(p, tokens, n, k, device);
  }
  p.shared_bytes = p.tile.shared_bytes();
  p.wide_stores = takes_wide_stores(a.out);
  GLMV_CHECK(p.shared_bytes <= device.shared_bytes, "linear: a block of the ", name_of(p.path), " kernel needs ",
             p.shared_bytes, " bytes of shared memory, the device has ", device.shared_bytes);
  return p;
}

}  // namespace glmv::cuda_plan
