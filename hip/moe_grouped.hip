// moe_experts for many tokens: slots sorted by expert (moe_align), two grouped products on MFMA tiles, and a sum
// over each token's experts.
//
//   hidden [T K, F]    row r = silu(gate_e x[t]) * up_e x[t]       of the slot (t, k) that became row r, e = ids[t, k]
//   outputs [T K, H]   row r = down_e hidden[r]
//   out [T, H]         token t = sum over its rows, experts ascending, of weight * outputs[r]
//
// Ids never come to the host: the grid is as large as the worst routing needs, and blocks whose tile is empty leave at
// once. With Rounding::hf hidden values and outputs are bf16. With Rounding::once they are f32: a hidden value is then
// stored as three bf16 whose sum it is, in three planes, and down runs over each of them.
#include "gpu/moe_chosen.h"
#include "hip/matrix_tile.h"
#include "hip/moe_align.h"
#include "hip/moe_experts.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kCombineThreads = 256;
static_assert(hip_plan::kMaxExperts <= kMaxChosen, "a token's experts have their places");

// ---- Shared memory: the stage of the tile; a token's experts in combine_kernel

/// What both products need to know of the sorted slots.
struct SortedRows {
  const RowTile* tiles;
  const int32_t* slot_of_row;
  int per_token;  ///< K
  bool rounded;   ///< Rounding::hf
};

/// Hidden values in their planes: one (rounded), or three.
struct Hidden {
  bf16* data;
  int64_t plane;  ///< elements
  int planes, ffn;
};

// ---- Device helpers

/// Weight row r of a tile that begins at hidden column `first`: 32 of gate, 32 of up, and so on, so that one lane gets
/// both sums of a column.
template <class W>
struct GateUpRow {
  const W *gate, *up;
  int64_t gate_stride, up_stride;
  int first, ffn;

  __device__ const W* operator()(int r) const {
    const int f = first + r / 64 * 32 + r % 32;
    if (f >= ffn) return nullptr;
    return r / 32 % 2 == 0 ? gate + f * gate_stride : up + f * up_stride;
  }
};

/// f(row, column, gate, up) for every four neighbouring hidden columns of the wave's part.
template <class T, class F>
__device__ __forceinline__ void for_each_hidden_four(const typename T::Sums& sums, F f) {
  static_assert(T::kBands % 2 == 0, "a band of gate and one of up");
  GPU_UNROLL
  for (int i = 0; i < T::kBands; i += 2) {
    GPU_UNROLL
    for (int j = 0; j < T::kBlocks; ++j) {
      GPU_UNROLL
      for (int stripe = 0; stripe < 4; ++stripe) {
        f(T::first_token() + 32 * j + T::lane() % 32,
          (T::first_feature() + 32 * i) / 2 + 8 * stripe + T::lane() / 32 * 4, sums[i][j] + 4 * stripe,
          sums[i + 1][j] + 4 * stripe);
      }
    }
  }
}

/// The bf16 nearest to x, and what is left of x.
__device__ float split(float& x) {
  const float nearest = round_to(DType::bf16, x);
  x = isfinite(x) ? x - nearest : 0.0f;
  return nearest;
}

/// Four neighbours as sums of what is stored in the planes, exactly.
__device__ __forceinline__ void store_hidden(const Hidden& to, int64_t at, float (&values)[4]) {
  for (int p = 0; p < to.planes; ++p) {
    float nearest[4];
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) nearest[i] = split(values[i]);
    store_values(to.data + p * to.plane + at, nearest);
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
__global__ void __launch_bounds__(T::kThreads, kWavesPerUnit)
    gate_up_kernel(ConstTensorView x, SortedRows rows, ExpertMatrices gate, ExpertMatrices up, Hidden hidden) {
  needs_mfma();
  using W = typename T::Weight;
  GPU_SHARED(typename T::Stage, stage, );
  const RowTile tile = rows.tiles[blockIdx.y];
  if (tile.expert < 0) return;
  const bf16* tokens = static_cast<const bf16*>(x.data);
  const auto x_row = [&](int r) -> const bf16* {
    if (r >= tile.rows) return nullptr;
    return tokens + int64_t(rows.slot_of_row[tile.first_row + r] / rows.per_token) * x.stride[0];
  };
  const int first = static_cast<int>(blockIdx.x) * (T::kFeatures / 2);
  const GateUpRow<W> weight_row = {expert_row<W>(gate, tile.expert, 0),
                                   expert_row<W>(up, tile.expert, 0),
                                   gate.row_stride,
                                   up.row_stride,
                                   first,
                                   hidden.ffn};
  typename T::Sums sums = {};
  multiply_tile<T>(stage, x_row, weight_row, {static_cast<int>(x.dim[1])}, sums);
  const DType inner = rows.rounded ? DType::bf16 : DType::f32;
  for_each_hidden_four<T>(sums, [&](int row, int column, const float* gates, const float* ups) HIP_INLINE {
    const int f = first + column;
    if (row >= tile.rows || f >= hidden.ffn) return;
    float values[4];
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      values[i] = hidden_value(inner, gates[i] * row_scale<W>(gate, tile.expert, f + i),
                               ups[i] * row_scale<W>(up, tile.expert, f + i));
    }
    store_hidden(hidden, int64_t(tile.first_row + row) * hidden.ffn + f, values);
  });
}

/// A block per tile of rows (y) and output columns (x).
template <class T>
__global__ void __launch_bounds__(T::kThreads, kWavesPerUnit)
    down_kernel(SortedRows rows, ExpertMatrices down, Hidden hidden, void* outputs) {
  needs_mfma();
  using W = typename T::Weight;
  GPU_SHARED(typename T::Stage, stage, );
  const RowTile tile = rows.tiles[blockIdx.y];
  if (tile.expert < 0) return;
  const W* weights = expert_row<W>(down, tile.expert, 0);
  const int first = static_cast<int>(blockIdx.x) * T::kFeatures, width = static_cast<int>(down.rows);
  const auto hidden_row = [&](int r) {
    return r < tile.rows ? hidden.data + int64_t(tile.first_row + r) * hidden.ffn : nullptr;
  };
  const auto weight_row = [&](int r) { return first + r < width ? weights + (first + r) * down.row_stride : nullptr; };
  typename T::Sums sums = {};
  multiply_tile<T>(stage, hidden_row, weight_row, {hidden.ffn, hidden.planes, hidden.plane}, sums);
  for_each_four<T>(sums, [&](int row, int column, const float(&four)[4]) HIP_INLINE {
    const int h = first + column;
    if (row >= tile.rows || h >= width) return;
    float values[4];
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) values[i] = four[i] * row_scale<W>(down, tile.expert, h + i);
    const int64_t at = int64_t(tile.first_row + row) * width + h;
    rows.rounded ? store_values(static_cast<bf16*>(outputs) + at, values)
                 : store_values(static_cast<float*>(outputs) + at, values);
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
    store_values(static_cast<bf16*>(a.out.data) + t * a.out.stride[0] + h, sums);
  }
}

// ---- Launch

dim3 grid(const hip_plan::Blocks& blocks) { return {static_cast<unsigned>(blocks.x), static_cast<unsigned>(blocks.y)}; }

template <class W>
using FewRows = Tile<hip_plan::kFewRows.rows, hip_plan::kFewRows.weight_rows, 1, 2, W>;
template <class W>
using SomeRows = Tile<hip_plan::kSomeRows.rows, hip_plan::kSomeRows.weight_rows, 2, 2, W>;
template <class W>
using ManyRows = Tile<hip_plan::kManyRows.rows, hip_plan::kManyRows.weight_rows, 2, 2, W>;

template <class T>
void launch_products(const MoeExpertsArgs& a, const ExpertTable& experts, const hip_plan::ExpertsPlan& plan,
                     const SortedRows& rows, const Hidden& hidden, void* outputs, Exec exec) {
  const auto moe_gate_up = gate_up_kernel<T>;
  const auto moe_down = down_kernel<T>;
  GLMV_LAUNCH(moe_gate_up, grid(plan.gate_up), dim3(T::kThreads), 0, exec, a.x, rows, experts.gate, experts.up, hidden);
  GLMV_LAUNCH(moe_down, grid(plan.down), dim3(T::kThreads), 0, exec, rows, experts.down, hidden, outputs);
}

template <class W>
void launch_tiles(const MoeExpertsArgs& a, const ExpertTable& experts, const hip_plan::ExpertsPlan& plan,
                  const SortedRows& rows, const Hidden& hidden, void* outputs, Exec exec) {
  switch (plan.align.tile_rows) {
    case hip_plan::kFewRows.rows: return launch_products<FewRows<W>>(a, experts, plan, rows, hidden, outputs, exec);
    case hip_plan::kSomeRows.rows: return launch_products<SomeRows<W>>(a, experts, plan, rows, hidden, outputs, exec);
    default: return launch_products<ManyRows<W>>(a, experts, plan, rows, hidden, outputs, exec);
  }
}

}  // namespace

void moe_grouped(const MoeExpertsArgs& a, const ExpertTable& experts, const hip_plan::ExpertsPlan& plan, char* memory,
                 Exec exec) {
  const Alignment aligned = place_alignment(memory, plan.align);
  moe_align(a.ids, experts.gate.experts, aligned, plan.align, exec);
  const bool rounded = a.rounding == Rounding::hf;
  const SortedRows rows = {aligned.tiles, aligned.slot_of_row, static_cast<int>(a.ids.dim[1]), rounded};
  const int64_t ffn = experts.gate.rows;
  const Hidden hidden = {reinterpret_cast<bf16*>(memory + plan.hidden_at), a.ids.size() * ffn, plan.pieces,
                         static_cast<int>(ffn)};
  void* outputs = memory + plan.outputs_at;
  experts.gate.dtype == DType::bf16 ? launch_tiles<bf16>(a, experts, plan, rows, hidden, outputs, exec)
                                    : launch_tiles<f8e4m3>(a, experts, plan, rows, hidden, outputs, exec);
  GLMV_LAUNCH(combine_kernel, dim3(static_cast<unsigned>(plan.combine.x)), dim3(kCombineThreads), 0, exec, a,
              aligned.row_of_slot, outputs, rounded);
}

}  // namespace glmv::GLMV_BACKEND
