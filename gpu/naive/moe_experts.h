#include "reference/moe_experts.h"

#include "gpu/elements.h"
#include "gpu/expert_table.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// x . row of an expert's matrix.
__device__ float dot(const ConstTensorView& x, int64_t t, const ExpertMatrices& m, int64_t expert, int64_t row) {
  float sum = 0;
  for (int64_t k = 0; k < x.dim[1]; ++k) sum = fmaf(get(x, t, k), m.at(expert, row, k), sum);
  return sum;
}

/// One thread per token, slot and inner column: silu(gate x) * up x, f32 [T, K, F] with the values rounded as the op
/// says.
__global__ void hidden_kernel(MoeExpertsArgs a, ExpertMatrices gate, ExpertMatrices up, float* hidden, DType inner) {
  const int64_t slots = a.ids.dim[1], width = gate.rows;
  const int64_t t = thread_number() / (slots * width), k = thread_number() / width % slots, f = thread_number() % width;
  if (t >= a.x.dim[0]) return;
  const int32_t expert = int_at(a.ids, t, k);
  if (expert < 0 || expert >= gate.experts) return;
  const float g = round_to(inner, dot(a.x, t, gate, expert, f)), u = round_to(inner, dot(a.x, t, up, expert, f));
  hidden[thread_number()] = round_to(inner, round_to(inner, g * sigmoid(g)) * u);
}

/// The slot whose expert comes next after `last`: the sum runs over ascending experts, ids need not be sorted.
__device__ int64_t slot_after(const ConstTensorView& ids, int64_t t, int32_t last) {
  int64_t best = -1;
  for (int64_t k = 0; k < ids.dim[1]; ++k) {
    if (int_at(ids, t, k) > last && (best < 0 || int_at(ids, t, k) < int_at(ids, t, best))) best = k;
  }
  return best;
}

/// One thread per output.
__global__ void combine_kernel(MoeExpertsArgs a, ExpertMatrices down, const float* hidden, DType inner) {
  const int64_t t = thread_number() / a.out.dim[1], h = thread_number() % a.out.dim[1];
  if (t >= a.out.dim[0]) return;
  float total = 0;
  int32_t last = -1;
  for (int64_t k = slot_after(a.ids, t, last); k >= 0; k = slot_after(a.ids, t, last)) {
    last = int_at(a.ids, t, k);
    if (last >= down.experts) break;
    const float* row = hidden + (t * a.ids.dim[1] + k) * down.columns;
    float sum = 0;
    for (int64_t f = 0; f < down.columns; ++f) sum = fmaf(row[f], down.at(last, h, f), sum);
    total += get(a.weights, t, k) * round_to(inner, sum);
  }
  set(a.out, total, t, h);
}

size_t hidden_bytes(const MoeExpertsArgs& a) {
  return static_cast<size_t>(a.ids.size() * a.experts.gate[0].rows()) * sizeof(float);
}

}  // namespace

size_t moe_experts_scratch(const MoeExpertsArgs& a) { return expert_table_scratch(a.experts) + hidden_bytes(a); }

void moe_experts(const MoeExpertsArgs& a, Exec exec) {
  check(a);
  check_type("moe_experts", a.out.dtype);
  GLMV_CHECK(exec.scratch.bytes >= moe_experts_scratch(a), "moe_experts needs ", moe_experts_scratch(a),
             " bytes of scratch, got ", exec.scratch.bytes);
  const ExpertTable table = expert_table(a.experts, exec);
  auto* hidden = reinterpret_cast<float*>(static_cast<char*>(exec.scratch.data) + expert_table_scratch(a.experts));
  const DType inner = inner_type(a.rounding, a.out.dtype);
  GLMV_LAUNCH_EACH(hidden_kernel, a.ids.size() * table.gate.rows, exec, a, table.gate, table.up, hidden, inner);
  GLMV_LAUNCH_EACH(combine_kernel, a.out.size(), exec, a, table.down, hidden, inner);
}

}  // namespace glmv::GLMV_BACKEND::naive
