// The router: logits in f32, then a warp per token chooses.
//
// Products of bf16 are exact in f32, so both ways to the logits (multiply-adds, mma.sync) differ from the reference in
// the order of sums only. The choice itself has no freedom: equal values go to the lower index, sums over the chosen
// ascend.
#include "reference/moe_route.h"

#include "cuda/moe_tile.h"
#include "cuda/ops.h"
#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

static_assert(cuda_plan::kMaxGroups <= kLanes, "a lane keeps a group's value");

// ---- Device helpers: dots

/// Rows of x and the gate as the kernels read them.
template <class X, class G>
struct Operands {
  const X* x;
  const G* gate;
  int64_t x_stride, gate_stride;
  int tokens, experts, width;
};

/// sum[i] = x[token + i] . gate[expert] over the columns of this lane.
template <int Tokens, class X, class G>
__device__ void lane_dots(const Operands<X, G>& o, int64_t token, int64_t expert, float (&sum)[Tokens]) {
  const G* row = o.gate + expert * o.gate_stride;
  for (int h = static_cast<int>(threadIdx.x) % kLanes * 8; h < o.width; h += kLanes * 8) {
    float w[8], x[8];
    load_eight(row + h, w);
    GPU_UNROLL
    for (int i = 0; i < Tokens; ++i) {
      if (token + i >= o.tokens) break;
      load_eight(o.x + (token + i) * o.x_stride + h, x);
      sum[i] = add_product(x, w, sum[i]);
    }
  }
}

// ---- Device helpers: choosing

__device__ float score_of(const MoeRouteArgs& a, int64_t t, int expert) { return sigmoid(get(a.logits, t, expert)); }
__device__ float choice_of(const MoeRouteArgs& a, int64_t t, int expert) {
  return score_of(a, t, expert) + get(a.correction_bias, expert);
}

/// Floats as integers of the same order; 0 comes before all of them.
constexpr unsigned kExcluded = 0;
__device__ unsigned ordered(float x) {
  const unsigned bits = __float_as_uint(x);
  return (bits & 0x80000000u) != 0 ? max(~bits, 1u) : bits | 0x80000000u;  // 1: a NaN can be chosen too
}

/// A token's experts in the registers of a warp: expert 32 i + lane is candidate i of the lane. Arrays are indexed by
/// unrolled loops only, or they would not be in registers.
template <int PerLane>
struct Candidates {
  unsigned key[PerLane];     ///< order of the choice's value; kExcluded: not, or no longer, to be chosen
  unsigned chosen[PerLane];  ///< bit l: expert 32 i + l is; the same in all lanes

  __device__ static int lane() { return static_cast<int>(threadIdx.x) % kLanes; }
  __device__ static int expert(int i) { return kLanes * i + lane(); }

  /// The lower index of the largest key among the candidates that `among` lets in, of which there is one.
  template <class Among>
  __device__ __forceinline__ int best(Among among) const {
    unsigned own = kExcluded;
    int at = -1;
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) {
      if (key[i] > own && among(expert(i))) own = key[i], at = expert(i);
    }
    const unsigned largest = __reduce_max_sync(kAllLanes, own);
    return static_cast<int>(__reduce_min_sync(kAllLanes, own == largest ? static_cast<unsigned>(at) : ~0u));
  }
  __device__ __forceinline__ void choose(int e) {
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) {
      chosen[i] |= i == e / kLanes ? 1u << (e % kLanes) : 0u;
      key[i] = expert(i) == e ? kExcluded : key[i];
    }
  }
  /// The lowest expert of a mask like `chosen`, which loses it; there is one.
  __device__ __forceinline__ static int take_lowest(unsigned (&left)[PerLane]) {
    int lowest = -1;
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) {
      if (lowest >= 0 || left[i] == 0) continue;
      lowest = kLanes * i + __ffs(static_cast<int>(left[i])) - 1;
      left[i] &= left[i] - 1;
    }
    return lowest;
  }
  /// f(e, position) for the chosen experts in ascending order.
  template <class F>
  __device__ __forceinline__ void for_each_chosen(F f) const {
    unsigned left[PerLane];
    int count = 0;
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) left[i] = chosen[i], count += __popc(chosen[i]);
    for (int position = 0; position < count; ++position) f(take_lowest(left), position);
  }
};

template <int PerLane>
__device__ __forceinline__ void load_candidates(const MoeRouteArgs& a, int64_t t, Candidates<PerLane>& c) {
  GPU_UNROLL
  for (int i = 0; i < PerLane; ++i) {
    const int e = c.expert(i);
    c.key[i] = e < a.logits.dim[1] ? ordered(choice_of(a, t, e)) : kExcluded;
    c.chosen[i] = 0;
  }
}

/// Sum of the two largest values of the group of `size` experts from `first` on (of its only one, if it has one).
template <int PerLane>
__device__ __forceinline__ float group_value(const MoeRouteArgs& a, int64_t t, const Candidates<PerLane>& c, int first,
                                             int size) {
  const auto member = [=](int e) { return e >= first && e < first + size; };
  const int best = c.best(member);
  const float value = choice_of(a, t, best);
  if (size == 1) return value;
  return value + choice_of(a, t, c.best([=](int e) { return member(e) && e != best; }));
}

/// Excludes the experts of all but the best topk_group groups; of equal groups the lower index is kept.
template <int PerLane>
__device__ __forceinline__ void keep_best_groups(const MoeRouteArgs& a, int64_t t, Candidates<PerLane>& c) {
  const int groups = static_cast<int>(a.n_group), size = static_cast<int>(a.logits.dim[1]) / groups;
  float mine = 0;  // the value of group number `lane`
  for (int g = 0; g < groups; ++g) {
    const float value = group_value(a, t, c, g * size, size);
    if (c.lane() == g) mine = value;
  }
  int before = 0;  // groups that come before the lane's
  for (int g = 0; g < groups; ++g) {
    const float other = __shfl_sync(kAllLanes, mine, g);
    before += other > mine || (other == mine && g < c.lane());
  }
  const unsigned kept = __ballot_sync(kAllLanes, c.lane() < groups && before < a.topk_group);
  GPU_UNROLL
  for (int i = 0; i < PerLane; ++i) {
    const int e = c.expert(i);
    if (e < groups * size && (kept >> (e / size) & 1) == 0) c.key[i] = kExcluded;
  }
}

template <int PerLane>
__device__ __forceinline__ void choose_best(const MoeRouteArgs& a, int64_t t, Candidates<PerLane>& c) {
  if (a.topk_group < a.n_group) keep_best_groups(a, t, c);
  for (int64_t k = 0; k < a.ids.dim[1]; ++k) c.choose(c.best([](int) { return true; }));
}

template <int PerLane>
__device__ __forceinline__ void choose_forced(const MoeRouteArgs& a, int64_t t, Candidates<PerLane>& c) {
  for (int64_t k = 0; k < a.forced_ids.dim[1]; ++k) {
    const int e = int_at(a.forced_ids, t, k);
    if (e >= 0 && e < a.logits.dim[1]) c.choose(e);
  }
}

template <int PerLane>
__device__ __forceinline__ void write_chosen(const MoeRouteArgs& a, int64_t t, const Candidates<PerLane>& c) {
  float sum = 1e-20f;
  c.for_each_chosen([&](int e, int) { sum += score_of(a, t, e); });
  c.for_each_chosen([&](int e, int position) {
    if (Candidates<PerLane>::lane() != position % kLanes) return;
    const float score = score_of(a, t, e);
    int_at(a.ids, t, position) = e;
    set(a.weights, (a.norm_topk ? score / sum : score) * a.scaling, t, position);
  });
}

// ---- Kernels

/// A warp per expert and `Tokens` tokens.
template <int Tokens, class X, class G>
__global__ void __launch_bounds__(cuda_plan::kDotWarps* kLanes) dots_kernel(Operands<X, G> o, TensorView logits) {
  const int64_t expert = int64_t(blockIdx.x) * cuda_plan::kDotWarps + threadIdx.x / kLanes;
  const int64_t token = int64_t(blockIdx.y) * Tokens;
  if (expert >= o.experts) return;
  float sum[Tokens] = {};
  lane_dots<Tokens>(o, token, expert, sum);
  GPU_UNROLL
  for (int i = 0; i < Tokens; ++i) {
    const float logit = warp_sum(sum[i]);
    if (threadIdx.x % kLanes == 0 && token + i < o.tokens) set(logits, logit, token + i, expert);
  }
}

/// A block per tile of tokens and experts.
template <class T>
__global__ void __launch_bounds__(T::kThreads) tiles_kernel(Operands<bf16, bf16> o, TensorView logits) {
  GPU_DYNAMIC_SHARED(typename T::Stage, stages);
  const int token = static_cast<int>(blockIdx.y) * T::kRows, expert = static_cast<int>(blockIdx.x) * T::kColumns;
  const auto x_row = [&](int r) { return token + r < o.tokens ? o.x + (token + r) * o.x_stride : nullptr; };
  const auto gate_row = [&](int r) { return expert + r < o.experts ? o.gate + (expert + r) * o.gate_stride : nullptr; };
  typename T::Sums sum = {};
  multiply_tile<T>(stages, x_row, gate_row, {o.width}, o.x, sum);
  for_each_pair<T>(sum, [&](int row, int column, float x, float y) {
    if (token + row >= o.tokens) return;
    if (expert + column < o.experts) set(logits, x, token + row, expert + column);
    if (expert + column + 1 < o.experts) set(logits, y, token + row, expert + column + 1);
  });
}

/// A warp per token.
template <int PerLane>
__global__ void __launch_bounds__(cuda_plan::kChooseWarps* kLanes) choose_kernel(MoeRouteArgs a) {
  const int64_t t = int64_t(blockIdx.x) * cuda_plan::kChooseWarps + threadIdx.x / kLanes;
  if (t >= a.ids.dim[0]) return;
  Candidates<PerLane> candidates;
  load_candidates(a, t, candidates);
  if (a.forced_ids.data != nullptr) {
    choose_forced(a, t, candidates);
  } else {
    choose_best(a, t, candidates);
  }
  write_chosen(a, t, candidates);
}

// ---- Launch

template <class X, class G>
Operands<X, G> operands(const MoeRouteArgs& a) {
  return {static_cast<const X*>(a.x.data),
          static_cast<const G*>(a.gate.data.data),
          a.x.stride[0],
          a.gate.data.stride[0],
          static_cast<int>(a.x.dim[0]),
          static_cast<int>(a.gate.rows()),
          static_cast<int>(a.x.dim[1])};
}

dim3 grid(const cuda_plan::Blocks& blocks) {
  return {static_cast<unsigned>(blocks.x), static_cast<unsigned>(blocks.y)};
}

template <class X, class G>
void launch_dots(const MoeRouteArgs& a, const cuda_plan::RoutePlan& plan, Exec exec) {
  const dim3 threads(cuda_plan::kDotWarps * kLanes);
  const auto route_dots = plan.tokens_per_warp == 1 ? dots_kernel<1, X, G> : dots_kernel<4, X, G>;
  GLMV_LAUNCH(route_dots, grid(plan.logits), threads, 0, exec, operands<X, G>(a), a.logits);
}

void launch_logits(const MoeRouteArgs& a, const cuda_plan::RoutePlan& plan, Exec exec) {
  const bool x_f32 = a.x.dtype == DType::f32, gate_f32 = a.gate.data.dtype == DType::f32;
  if (plan.path == cuda_plan::RoutePath::tiles) {
    const auto route_tiles = tiles_kernel<SomeRows<bf16>>;
    GLMV_LAUNCH_TILES(SomeRows<bf16>, route_tiles, plan.logits, exec, operands<bf16, bf16>(a), a.logits);
  } else if (x_f32) {
    gate_f32 ? launch_dots<float, float>(a, plan, exec) : launch_dots<float, bf16>(a, plan, exec);
  } else {
    gate_f32 ? launch_dots<bf16, float>(a, plan, exec) : launch_dots<bf16, bf16>(a, plan, exec);
  }
}

void launch_choose(const MoeRouteArgs& a, const cuda_plan::RoutePlan& plan, Exec exec) {
  const int64_t experts = a.gate.rows();
  const auto route_choose = experts <= 32    ? choose_kernel<1>
                            : experts <= 64  ? choose_kernel<2>
                            : experts <= 128 ? choose_kernel<4>
                                             : choose_kernel<8>;
  GLMV_LAUNCH(route_choose, grid(plan.choose), dim3(cuda_plan::kChooseWarps * kLanes), 0, exec, a);
}

cuda_plan::RoutePlan plan_of(const MoeRouteArgs& a) {
  return cuda_plan::plan_route({a.x.dim[0], a.ids.dim[1], a.gate.rows(), a.x.dim[1], a.n_group, a.x.dtype,
                                a.gate.data.dtype, a.gate.format, rows_aligned(a.x) && rows_aligned(a.gate.data)});
}

}  // namespace

void moe_route(const MoeRouteArgs& a, Exec exec) {
  check(a);
  check_type("moe_route", a.x.dtype);
  const cuda_plan::RoutePlan plan = plan_of(a);
  if (plan.path == cuda_plan::RoutePath::naive) return naive::moe_route(a, exec);
  if (a.x.dim[0] == 0) return;
  launch_logits(a, plan, exec);
  launch_choose(a, plan, exec);
}

}  // namespace glmv::GLMV_BACKEND
