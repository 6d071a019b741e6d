// moe_experts for a few tokens: every chosen expert's weights are read once, in order, by waves that each own whole
// rows. Nothing is sorted. Two launches: hidden vectors of all slots, then the products with down and their weighted
// sum.
#include "gpu/moe_chosen.h"
#include "hip/fp8.h"
#include "hip/moe_experts.h"
#include "hip/waves.h"

namespace glmv::GLMV_BACKEND {
namespace {

static_assert(hip_plan::kMaxExperts <= kMaxChosen, "a token's experts have their places");
constexpr int kWaves = hip_plan::kDecodeWaves, kRows = hip_plan::kDecodeRowsPerWave;
static_assert(8 % kRows == 0, "H is a multiple of 8: a wave's rows are all there, or none is");

// ---- Shared memory of down: the token's experts, and (dynamic) hidden vectors [K, F] of f32 in their order

// ---- Device helpers

/// x . gate and x . up over this lane's columns.
struct GateUp {
  float gate, up;
};
template <int Lanes, class W>
__device__ GateUp lane_products(const bf16* x, const W* gate, const W* up, int width) {
  GateUp sum = {0, 0};
  for (int h = lane_number<Lanes>() * 8; h < width; h += 8 * Lanes) {
    float xs[8], gs[8], us[8];
    load_weights(gate + h, gs);
    load_weights(up + h, us);
    load_eight(x + h, xs);
    sum = {add_product(xs, gs, sum.gate), add_product(xs, us, sum.up)};
  }
  return sum;
}

/// hidden . row for kRows rows of down, over this lane's columns.
template <int Lanes, class W>
__device__ void lane_products(const float* hidden, const W* rows, int64_t row_stride, int ffn, float (&sum)[kRows]) {
  for (int f = lane_number<Lanes>() * 8; f < ffn; f += 8 * Lanes) {
    float values[8], weights[8];
    load_eight(hidden + f, values);
    GPU_UNROLL
    for (int i = 0; i < kRows; ++i) {
      load_weights(rows + i * row_stride + f, weights);
      sum[i] = add_product(values, weights, sum[i]);
    }
  }
}

/// The hidden vectors of a token's slots, in the order of the sum.
__device__ void gather_hidden(const Chosen& chosen, const float* hidden, int ffn, float* to) {
  for (int n = 0; n < chosen.count; ++n) {
    const float* from = hidden + int64_t(chosen.slot[n]) * ffn;
    for (int f = static_cast<int>(threadIdx.x); f < ffn; f += static_cast<int>(blockDim.x)) to[n * ffn + f] = from[f];
  }
}

// ---- Kernels

/// A wave per slot (y) and inner column: hidden [T K, F].
template <int Lanes, class W>
__global__ void __launch_bounds__(kWaves* Lanes)
    decode_hidden_kernel(MoeExpertsArgs a, ExpertMatrices gate, ExpertMatrices up, float* hidden, DType inner) {
  needs_wave<Lanes>();
  const int slot = static_cast<int>(blockIdx.y), per_token = static_cast<int>(a.ids.dim[1]), t = slot / per_token;
  const int f = static_cast<int>(blockIdx.x) * kWaves + wave_number<Lanes>();
  const int expert = int_at(a.ids, t, slot % per_token);
  if (f >= gate.rows || !names_expert(expert, gate.experts)) return;
  const bf16* x = static_cast<const bf16*>(a.x.data) + t * a.x.stride[0];
  const GateUp mine = lane_products<Lanes>(x, expert_row<W>(gate, expert, f), expert_row<W>(up, expert, f),
                                           static_cast<int>(a.x.dim[1]));
  const float value = hidden_value(inner, wave_sum<Lanes>(mine.gate) * row_scale<W>(gate, expert, f),
                                   wave_sum<Lanes>(mine.up) * row_scale<W>(up, expert, f));
  if (lane_number<Lanes>() == 0) hidden[int64_t(slot) * gate.rows + f] = value;
}

/// A wave per token (y) and kRows outputs.
template <int Lanes, class W>
__global__ void __launch_bounds__(kWaves* Lanes)
    decode_down_kernel(MoeExpertsArgs a, ExpertMatrices down, const float* hidden, DType inner) {
  needs_wave<Lanes>();
  GPU_DYNAMIC_SHARED(float, gathered);
  GPU_SHARED(Chosen, chosen);
  const int64_t t = blockIdx.y;
  const int ffn = static_cast<int>(down.columns);
  sort_chosen(a.ids, a.weights, down.experts, t, chosen);
  __syncthreads();
  gather_hidden(chosen, hidden, ffn, gathered);
  __syncthreads();
  const int64_t h = (int64_t(blockIdx.x) * kWaves + wave_number<Lanes>()) * kRows;
  if (h >= down.rows) return;
  float total[kRows] = {};
  for (int n = 0; n < chosen.count; ++n) {
    float sum[kRows] = {};
    lane_products<Lanes>(gathered + n * ffn, expert_row<W>(down, chosen.expert[n], h), down.row_stride, ffn, sum);
    GPU_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const float output = wave_sum<Lanes>(sum[i]) * row_scale<W>(down, chosen.expert[n], h + i);
      total[i] += chosen.weight[n] * round_to(inner, output);
    }
  }
  GPU_UNROLL
  for (int i = 0; i < kRows; ++i) {
    if (lane_number<Lanes>() == i) static_cast<bf16*>(a.out.data)[t * a.out.stride[0] + h + i] = bf16(total[i]);
  }
}

dim3 grid(const hip_plan::Blocks& blocks) { return {static_cast<unsigned>(blocks.x), static_cast<unsigned>(blocks.y)}; }

// ---- Launch

template <int Lanes, class W>
void launch(const MoeExpertsArgs& a, const ExpertTable& experts, const hip_plan::ExpertsPlan& plan, float* hidden,
            Exec exec) {
  const DType inner = inner_type(a.rounding, a.out.dtype);
  const dim3 threads(kWaves * Lanes);
  const auto moe_decode_hidden = decode_hidden_kernel<Lanes, W>;
  const auto moe_decode_down = decode_down_kernel<Lanes, W>;
  GLMV_LAUNCH(moe_decode_hidden, grid(plan.gate_up), threads, 0, exec, a, experts.gate, experts.up, hidden, inner);
  GLMV_LAUNCH(moe_decode_down, grid(plan.down), threads, plan.decode_shared_bytes, exec, a, experts.down, hidden,
              inner);
}

}  // namespace

void moe_decode(const MoeExpertsArgs& a, const ExpertTable& experts, const hip_plan::ExpertsPlan& plan, char* memory,
                Exec exec) {
  auto* hidden = reinterpret_cast<float*>(memory);
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    experts.gate.dtype == DType::bf16 ? launch<kLanes, bf16>(a, experts, plan, hidden, exec)
                                      : launch<kLanes, f8e4m3>(a, experts, plan, hidden, exec);
  });
}

}  // namespace glmv::GLMV_BACKEND
