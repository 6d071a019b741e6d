// moe_experts for many tokens: slots sorted by expert (moe_align), two grouped products on mma.sync tiles, and a sum
// over each token's experts.
//
//   hidden [T K, F]    row r = silu(gate_e x[t]) * up_e x[t]       of the slot (t, k) that became row r, e = ids[t, k]
//   outputs [T K, H]   row r = down_e hidden[r]
//   out [T, H]         token t = sum over its rows, experts ascending, of weight * outputs[r]
//
// Ids never come to the host: the grid is as large as the worst routing needs, and blocks whose tile is empty leave at
// once. With Rounding::hf hidden values and outputs are bf16. With Rounding::once they are f32: a hidden value is then
// stored as three bf16 whose sum it is, in three planes, and down runs over each of them.
#include "cuda/moe_rows.h"
#include "cuda/moe_tile.h"
#include "gpu/moe_chosen.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kCombineThreads = 256;

// ---- Shared memory: the stages of the tile (dynamic); a token's experts in combine_kernel

// ---- Device helpers

/// Weight row r of a tile that begins at hidden column `first`: eight of gate, eight of up, and so on, so that one
/// thread gets both sums of a column.
template <class W>
struct GateUpRow {
  const W *gate, *up;
  int64_t gate_stride, up_stride;
  int first, ffn;

  __device__ const W* operator()(int r) const {
    const int f = first + r / 16 * 8 + r % 8;
    if (f >= ffn) return nullptr;
    return r / 8 % 2 == 0 ? gate + f * gate_stride : up + f * up_stride;
  }
};

/// f(row, column, gate x, gate y, up x, up y) for every pair of neighbouring hidden columns of the warp's part.
template <class T, class F>
__device__ void for_each_hidden_pair(const typename T::Sums& sum, F f) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  GPU_UNROLL
  for (int i = 0; i < T::kBands; ++i) {
    GPU_UNROLL
    for (int j = 0; j < T::kBlocks; j += 2) {
      const int column = (T::first_column() + 8 * j) / 2 + lane % 4 * 2;
      GPU_UNROLL
      for (int half = 0; half < 2; ++half) {
        const float *gate = &sum[i][j][2 * half], *up = &sum[i][j + 1][2 * half];
        f(T::first_row() + 16 * i + 8 * half + lane / 4, column, gate[0], gate[1], up[0], up[1]);
      }
    }
  }
}

/// sums += weight * eight neighbours of an output row.
template <class V>
__device__ void add_weighted(const V* outputs, float weight, float (&sums)[8]) {
  float values[8];
  load_eight(outputs, values);
  GPU_UNROLL
  for (int i = 0; i < 8; ++i) sums[i] += weight * values[i];
}

// ---- Kernels

/// A block per tile of rows (y) and hidden columns (x). Blocks of the same rows follow one another: they read x from
/// the cache, and so do the next rows of an expert its weights.
template <class T>
__global__ void __launch_bounds__(T::kThreads)
    gate_up_kernel(ConstTensorView x, Rows rows, ExpertMatrices gate, ExpertMatrices up, Hidden hidden) {
  using W = typename T::Weight;
  GPU_DYNAMIC_SHARED(typename T::Stage, stages);
  const RowTile tile = rows.tiles[blockIdx.y];
  if (tile.expert < 0) return;
  const bf16* tokens = static_cast<const bf16*>(x.data);
  const auto x_row = [&](int r) -> const bf16* {
    if (r >= tile.rows) return nullptr;
    return tokens + int64_t(rows.slot_of_row[tile.first_row + r] / rows.per_token) * x.stride[0];
  };
  const int first = static_cast<int>(blockIdx.x) * (T::kColumns / 2);
  const GateUpRow<W> weight_row = {expert_row<W>(gate, tile.expert, 0),
                                   expert_row<W>(up, tile.expert, 0),
                                   gate.row_stride,
                                   up.row_stride,
                                   first,
                                   hidden.ffn};
  typename T::Sums sum = {};
  multiply_tile<T>(stages, x_row, weight_row, {static_cast<int>(x.dim[1])}, tokens, sum);
  const DType inner = rows.rounded ? DType::bf16 : DType::f32;
  for_each_hidden_pair<T>(sum, [&](int row, int column, float g0, float g1, float u0, float u1) {
    if (row >= tile.rows || first + column >= hidden.ffn) return;
    const int64_t at = int64_t(tile.first_row + row) * hidden.ffn + first + column;
    const auto value = [&](int f, float g, float u) {
      return hidden_value(inner, g * row_scale<W>(gate, tile.expert, f), u * row_scale<W>(up, tile.expert, f));
    };
    store_hidden(hidden, at, value(first + column, g0, u0), value(first + column + 1, g1, u1));
  });
}

/// A block per tile of rows (y) and output columns (x).
template <class T>
__global__ void __launch_bounds__(T::kThreads)
    down_kernel(Rows rows, ExpertMatrices down, Hidden hidden, void* outputs) {
  using W = typename T::Weight;
  GPU_DYNAMIC_SHARED(typename T::Stage, stages);
  const RowTile tile = rows.tiles[blockIdx.y];
  if (tile.expert < 0) return;
  const W* weights = expert_row<W>(down, tile.expert, 0);
  const int first = static_cast<int>(blockIdx.x) * T::kColumns, width = static_cast<int>(down.rows);
  const auto hidden_row = [&](int r) {
    return r < tile.rows ? hidden.data + int64_t(tile.first_row + r) * hidden.ffn : nullptr;
  };
  const auto weight_row = [&](int r) { return first + r < width ? weights + (first + r) * down.row_stride : nullptr; };
  typename T::Sums sum = {};
  multiply_tile<T>(stages, hidden_row, weight_row, {hidden.ffn, hidden.planes, hidden.plane}, weights, sum);
  for_each_pair<T>(sum, [&](int row, int column, float x, float y) {
    if (row >= tile.rows || first + column >= width) return;
    const int h = first + column;
    store_outputs(outputs, int64_t(tile.first_row + row) * width + h, rows.rounded,
                  x * row_scale<W>(down, tile.expert, h), y * row_scale<W>(down, tile.expert, h + 1));
  });
}

/// A block per token: the weighted sum over its experts, in f32, rounded once.
__global__ void __launch_bounds__(kCombineThreads)
    combine_kernel(MoeExpertsArgs a, const int32_t* row_of_slot, const void* outputs, bool rounded) {
  GPU_SHARED(Chosen, chosen);
  const int64_t t = blockIdx.x;
  sort_chosen(a.ids, a.weights, a.experts.count, t, chosen);
  __syncthreads();
  const int width = static_cast<int>(a.out.dim[1]);
  for (int h = static_cast<int>(threadIdx.x) * 8; h < width; h += kCombineThreads * 8) {
    float sums[8] = {};
    for (int n = 0; n < chosen.count; ++n) {
      const int64_t at = int64_t(row_of_slot[chosen.slot[n]]) * width + h;
      rounded ? add_weighted(static_cast<const bf16*>(outputs) + at, chosen.weight[n], sums)
              : add_weighted(static_cast<const float*>(outputs) + at, chosen.weight[n], sums);
    }
    auto* to = reinterpret_cast<uint4*>(static_cast<bf16*>(a.out.data) + t * a.out.stride[0] + h);
    *to = make_uint4(pair_of(sums[0], sums[1]), pair_of(sums[2], sums[3]), pair_of(sums[4], sums[5]),
                     pair_of(sums[6], sums[7]));
  }
}

// ---- Launch

template <class T>
void launch_products(const MoeExpertsArgs& a, const ExpertTable& experts, const cuda_plan::ExpertsPlan& plan,
                     const Rows& rows, const Hidden& hidden, void* outputs, Exec exec) {
  const auto moe_gate_up = gate_up_kernel<T>;
  const auto moe_down = down_kernel<T>;
  GLMV_LAUNCH_TILES(T, moe_gate_up, plan.gate_up, exec, a.x, rows, experts.gate, experts.up, hidden);
  GLMV_LAUNCH_TILES(T, moe_down, plan.down, exec, rows, experts.down, hidden, outputs);
}

template <class W>
void launch_tiles(const MoeExpertsArgs& a, const ExpertTable& experts, const cuda_plan::ExpertsPlan& plan,
                  const Rows& rows, const Hidden& hidden, void* outputs, Exec exec) {
  switch (plan.align.tile_rows) {
    case FewRows<W>::kRows: return launch_products<FewRows<W>>(a, experts, plan, rows, hidden, outputs, exec);
    case SomeRows<W>::kRows: return launch_products<SomeRows<W>>(a, experts, plan, rows, hidden, outputs, exec);
    default: return launch_products<ManyRows<W>>(a, experts, plan, rows, hidden, outputs, exec);
  }
}

}  // namespace

void moe_combine(const MoeExpertsArgs& a, const int32_t* row_of_slot, const void* outputs, bool rounded, Exec exec) {
  GLMV_LAUNCH(combine_kernel, dim3(static_cast<unsigned>(a.x.dim[0])), dim3(kCombineThreads), 0, exec, a, row_of_slot,
              outputs, rounded);
}

void moe_grouped(const MoeExpertsArgs& a, const ExpertTable& experts, const cuda_plan::ExpertsPlan& plan, char* memory,
                 Exec exec) {
  const Alignment aligned = place_alignment(memory, plan.align);
  moe_align(a.ids, experts.gate.experts, aligned, plan.align, exec);
  const bool rounded = a.rounding == Rounding::hf;
  const Rows rows = {aligned.tiles, aligned.slot_of_row, static_cast<int>(a.ids.dim[1]), rounded};
  const int64_t ffn = experts.gate.rows;
  const Hidden hidden = {reinterpret_cast<bf16*>(memory + plan.hidden_at), a.ids.size() * ffn, plan.pieces,
                         static_cast<int>(ffn)};
  void* outputs = memory + plan.outputs_at;
  experts.gate.dtype == DType::bf16 ? launch_tiles<bf16>(a, experts, plan, rows, hidden, outputs, exec)
                                    : launch_tiles<f8e4m3>(a, experts, plan, rows, hidden, outputs, exec);
  moe_combine(a, aligned.row_of_slot, outputs, rounded, exec);
}

}  // namespace glmv::GLMV_BACKEND
