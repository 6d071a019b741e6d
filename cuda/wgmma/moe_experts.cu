// moe_experts for many tokens on sm_90a: the two grouped products of moe_grouped.cu by tensor loads and wgmma.
//
//   rows [T K, H]      x in the order of the experts; lies where the outputs will, which come later and need no less
//   hidden [T K, F]    a tile has 128 rows and 128 columns of gate and of up, the two halves of its operand: the sums
//                      of one hidden column are 64 registers apart in one thread
//   outputs [T K, H]   128 rows, 256 columns
//
// A tile's last rows may be the next expert's: they are multiplied and not stored. The 64 rows of the second consumer
// may all be such: then it only gives the stages back. Each expert's matrices have tensor maps of their own, which are
// made on the host and written to scratch memory by a kernel.
#include "cuda/device.h"
#include "cuda/moe_rows.h"
#include "cuda/ops.h"
#include "cuda/wgmma/ops.h"
#include "cuda/wgmma/pipeline.h"

namespace glmv::GLMV_BACKEND::wgmma {
namespace {

using cuda_plan::kWarpgroup;
using cuda_plan::kWgmmaDepth;
using cuda_plan::kWgmmaRows;

constexpr int kColumns = cuda_plan::kWgmmaLarge.columns, kHalf = kColumns / 2;
constexpr int kGatherThreads = 128;
constexpr int kMapsPerLaunch = 64;  // that travel as kernel arguments: 8 KiB

static_assert(sizeof(ptx::TensorMap) <= cuda_plan::kTensorMapBytes, "the planner counts as we do");

struct Maps {
  ptx::TensorMap of_expert[kMapsPerLaunch];
};

// ---- Device helpers

#if GLMV_HAS_SM90A

constexpr int kStages = cuda_plan::kWgmmaLarge.stages;

/// What consumers get: the tile's sums and where it lies. `warpgroup` 0 loads with load(stage, full, step).
template <class Load, class Store>
__device__ void run_tile(const RowTile& tile, int steps, Load load, Store store) {
  GPU_DYNAMIC_SHARED(unsigned char, dynamic);
  GPU_SHARED(Ring<kStages>, ring, );
  auto* stages = aligned_boxes<Stage<kColumns>>(dynamic);
  if (threadIdx.x == 0) ring.init(1, kReaders);
  __syncthreads();
  const int warpgroup = threadIdx.x / kWarpgroup, row = 64 * (warpgroup - 1);
  if (warpgroup == 0) {
    ptx::fewer_registers<40>();
    if (threadIdx.x == 0) produce<kColumns>(stages, ring, steps, load);
  } else {
    ptx::more_registers<232>();
    if (row >= tile.rows) {
      pass_by(ring, steps);
    } else {
      float sums[kColumns / 2];
      consume<kColumns>(sums, stages, ring, row, steps);
      store(sums, row);
    }
  }
}

/// f(row, column, register) for every pair of neighbours that a thread has of `Columns` columns; register: the first's.
template <int Columns, class F>
__device__ void for_each_pair(int row, F f) {
  GPU_UNROLL
  for (int block = 0; block < Columns / 8; ++block) {
    GPU_UNROLL
    for (int half = 0; half < 2; ++half)
      f(row + first_row_of_thread() + 8 * half, 8 * block + static_cast<int>(threadIdx.x) % 4 * 2,
        4 * block + 2 * half);
  }
}

#endif

// ---- Kernels

__global__ void __launch_bounds__(kMapsPerLaunch)
    write_maps_kernel(const __grid_constant__ Maps maps, ptx::TensorMap* to, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) to[i] = maps.of_expert[i];
#if GLMV_HAS_SM90A
  ptx::tensor_map_release();
#endif
}

/// A block per row. Rows of ids that name no expert come last and are not there.
__global__ void __launch_bounds__(kGatherThreads)
    gather_rows_kernel(ConstTensorView x, const int32_t* slot_of_row, const int32_t* rows, int per_token, bf16* to) {
  const int64_t row = blockIdx.x;
  if (row >= *rows) return;
  const int64_t width = x.dim[1], token = slot_of_row[row] / per_token;
  const auto* from = reinterpret_cast<const uint4*>(static_cast<const bf16*>(x.data) + token * x.stride[0]);
  auto* out = reinterpret_cast<uint4*>(to + row * width);
  for (int64_t i = threadIdx.x; i < width / 8; i += kGatherThreads) out[i] = from[i];
}

/// A block per tile of rows (y) and hidden columns (x).
__global__ void __launch_bounds__(cuda_plan::kWgmmaThreads, 1)
    gate_up_wgmma_kernel(const __grid_constant__ ptx::TensorMap x, const ptx::TensorMap* gate, const ptx::TensorMap* up,
                         Rows rows, Hidden hidden, int steps) {
#if GLMV_HAS_SM90A
  const RowTile tile = rows.tiles[blockIdx.y];
  if (tile.expert < 0) return;
  const int first = static_cast<int>(blockIdx.x) * kHalf;
  if (threadIdx.x == 0) {
    ptx::tensor_map_acquire(gate[tile.expert]);
    ptx::tensor_map_acquire(up[tile.expert]);
  }
  run_tile(
      tile, steps,
      [&](Stage<kColumns>& stage, uint64_t* full, int step) {
        ptx::tensor_load_3d(stage.x, x, full, step * kWgmmaDepth, tile.first_row, 0);
        ptx::tensor_load_2d(stage.w, gate[tile.expert], full, step * kWgmmaDepth, first);
        ptx::tensor_load_2d(stage.w + kHalf * kWgmmaDepth, up[tile.expert], full, step * kWgmmaDepth, first);
      },
      [&](const float(&sums)[kColumns / 2], int row0) {
        const DType inner = rows.rounded ? DType::bf16 : DType::f32;
        for_each_pair<kHalf>(row0, [&](int row, int column, int i) {
          if (row >= tile.rows || first + column >= hidden.ffn) return;
          store_hidden(hidden, int64_t(tile.first_row + row) * hidden.ffn + first + column,
                       hidden_value(inner, sums[i], sums[kHalf / 2 + i]),
                       hidden_value(inner, sums[i + 1], sums[kHalf / 2 + i + 1]));
        });
      });
#else
  __trap();  // the backend is absent on such a device
#endif
}

/// A block per tile of rows (y) and output columns (x). Planes of hidden values follow one another at the same columns.
__global__ void __launch_bounds__(cuda_plan::kWgmmaThreads, 1)
    down_wgmma_kernel(const __grid_constant__ ptx::TensorMap hidden, const ptx::TensorMap* down, Rows rows, int planes,
                      int width, void* outputs, int steps) {
#if GLMV_HAS_SM90A
  const RowTile tile = rows.tiles[blockIdx.y];
  if (tile.expert < 0) return;
  const int first = static_cast<int>(blockIdx.x) * kColumns;
  if (threadIdx.x == 0) ptx::tensor_map_acquire(down[tile.expert]);
  run_tile(
      tile, steps * planes,
      [&](Stage<kColumns>& stage, uint64_t* full, int step) {
        const int k = step / planes * kWgmmaDepth;
        ptx::tensor_load_3d(stage.x, hidden, full, k, tile.first_row, step % planes);
        ptx::tensor_load_2d(stage.w, down[tile.expert], full, k, first);
      },
      [&](const float(&sums)[kColumns / 2], int row0) {
        for_each_pair<kColumns>(row0, [&](int row, int column, int i) {
          if (row >= tile.rows || first + column >= width) return;
          store_outputs(outputs, int64_t(tile.first_row + row) * width + first + column, rows.rounded, sums[i],
                        sums[i + 1]);
        });
      });
#else
  __trap();  // the backend is absent on such a device
#endif
}

// ---- Launch

cuda_plan::ExpertsProblem problem_of(const MoeExpertsArgs& a) {
  const Weight& gate = a.experts.gate[0];
  return {a.x.dim[0],      a.ids.dim[1], a.experts.count, a.x.dim[1], gate.rows(), a.x.dtype,
          gate.data.dtype, gate.format,  a.rounding,      true};  // alignment: the tuned plan has looked at it
}

/// One matrix of every expert, as rows of boxes of box_rows.
void write_maps(const char* what, const Weight* weights, int64_t count, int box_rows, ptx::TensorMap* to, Exec exec) {
  for (int64_t begin = 0; begin < count; begin += kMapsPerLaunch) {
    const int here = static_cast<int>(count - begin < kMapsPerLaunch ? count - begin : kMapsPerLaunch);
    Maps maps = {};
    for (int i = 0; i < here; ++i) {
      const Weight& w = weights[begin + i];
      GLMV_CHECK(w.format == Format::plain && w.data.dtype == DType::bf16 && w.rows() == weights[0].rows() &&
                     w.cols() == weights[0].cols(),
                 "experts are not alike: ", w, " and ", weights[0]);
      maps.of_expert[i] = matrix_map(what, w.data, box_rows);
    }
    GLMV_LAUNCH(write_maps_kernel, dim3(1), dim3(kMapsPerLaunch), 0, exec, maps, to + begin, here);
  }
}

/// Planes of adjacent rows, for boxes of 128 rows of one plane.
ptx::TensorMap planes_map(const void* data, int64_t width, int64_t rows, int64_t planes) {
  ptx::BoxedTensor t;
  t.data = data;
  t.rank = 3;
  t.extent[0] = static_cast<uint64_t>(width);
  t.extent[1] = static_cast<uint64_t>(rows);
  t.extent[2] = static_cast<uint64_t>(planes);
  t.stride[1] = 2 * t.extent[0];
  t.stride[2] = t.stride[1] * t.extent[1];
  t.box[1] = kWgmmaRows;
  ptx::TensorMap map;
  const std::string why = encode(map, t);
  GLMV_CHECK(why.empty(), "moe_experts: no tensor map of rows: ", why);
  return map;
}

dim3 grid_of(cuda_plan::Blocks b) { return dim3(static_cast<unsigned>(b.x), static_cast<unsigned>(b.y)); }

int steps_of(int64_t depth) { return static_cast<int>((depth + kWgmmaDepth - 1) / kWgmmaDepth); }

void run(const MoeExpertsArgs& a, const cuda_plan::ExpertsPlan& tuned, const cuda_plan::WgmmaExpertsPlan& plan,
         Exec exec) {
  const int64_t experts = a.experts.count, width = a.x.dim[1], ffn = a.experts.gate[0].rows(), slots = a.ids.size();
  GLMV_CHECK(a.experts.gate[0].cols() == width && a.experts.up[0].cols() == width && a.experts.up[0].rows() == ffn &&
                 a.experts.down[0].rows() == width && a.experts.down[0].cols() == ffn,
             "x ", a.x, " gate ", a.experts.gate[0], " up ", a.experts.up[0], " down ", a.experts.down[0]);
  auto* gate = static_cast<ptx::TensorMap*>(exec.scratch.data);
  ptx::TensorMap *up = gate + experts, *down = up + experts;
  write_maps("moe_experts: gate", a.experts.gate, experts, kHalf, gate, exec);
  write_maps("moe_experts: up", a.experts.up, experts, kHalf, up, exec);
  write_maps("moe_experts: down", a.experts.down, experts, kColumns, down, exec);

  char* memory = static_cast<char*>(exec.scratch.data) + plan.maps_bytes;
  const Alignment aligned = place_alignment(memory, tuned.align);
  moe_align(a.ids, experts, aligned, tuned.align, exec);
  const bool rounded = a.rounding == Rounding::hf;
  const Rows rows = {aligned.tiles, aligned.slot_of_row, static_cast<int>(a.ids.dim[1]), rounded};
  auto* hidden_data = reinterpret_cast<bf16*>(memory + tuned.hidden_at);
  const Hidden hidden = {hidden_data, slots * ffn, tuned.pieces, static_cast<int>(ffn)};
  void* outputs = memory + tuned.outputs_at;
  auto* sorted = static_cast<bf16*>(outputs);

  GLMV_LAUNCH(gather_rows_kernel, dim3(static_cast<unsigned>(slots)), dim3(kGatherThreads), 0, exec, a.x,
              aligned.slot_of_row, aligned.offsets + experts, rows.per_token, sorted);
  allow_shared(gate_up_wgmma_kernel, plan.shared_bytes);
  allow_shared(down_wgmma_kernel, plan.shared_bytes);
  GLMV_LAUNCH(gate_up_wgmma_kernel, grid_of(plan.gate_up), dim3(cuda_plan::kWgmmaThreads), plan.shared_bytes, exec,
              planes_map(sorted, width, slots, 1), gate, up, rows, hidden, steps_of(width));
  GLMV_LAUNCH(down_wgmma_kernel, grid_of(plan.down), dim3(cuda_plan::kWgmmaThreads), plan.shared_bytes, exec,
              planes_map(hidden_data, ffn, slots, tuned.pieces), down, rows, tuned.pieces, static_cast<int>(width),
              outputs, steps_of(ffn));
  moe_combine(a, aligned.row_of_slot, outputs, rounded, exec);
}

}  // namespace

size_t moe_experts_scratch(const MoeExpertsArgs& a) {
  const cuda_plan::ExpertsPlan tuned = experts_plan(a);
  const auto plan = cuda_plan::plan_experts_wgmma(problem_of(a), tuned, current_device());
  return plan.rule != nullptr ? GLMV_BACKEND::moe_experts_scratch(a) : plan.maps_bytes + tuned.bytes;
}

void moe_experts(const MoeExpertsArgs& a, Exec exec) {
  check(a);
  const cuda_plan::ExpertsPlan tuned = experts_plan(a);
  const auto plan = cuda_plan::plan_experts_wgmma(problem_of(a), tuned, current_device());
  if (plan.rule != nullptr) return GLMV_BACKEND::moe_experts(a, exec);
  const size_t wanted = plan.maps_bytes + tuned.bytes;
  GLMV_CHECK(exec.scratch.bytes >= wanted, "moe_experts needs ", wanted, " bytes of scratch, got ", exec.scratch.bytes);
  run(a, tuned, plan, exec);
}

}  // namespace glmv::GLMV_BACKEND::wgmma
