// The router: logits in f32, then a wave per token chooses.
//
// Products of bf16 are exact in f32, so both ways to the logits (multiply-adds, a linear on MFMA) differ from the
// reference in the order of sums only. The choice itself has no freedom: equal values go to the lower index, sums over
// the chosen ascend.
#include "reference/moe_route.h"

#include "gpu/eight.h"
#include "gpu/elements.h"
#include "gpu/naive/ops.h"
#include "hip/linear.h"
#include "hip/ops.h"
#include "hip/plan/moe_plan.h"
#include "hip/waves.h"

namespace glmv::GLMV_BACKEND {
namespace {

static_assert(hip_plan::kMaxGroups <= 32, "a lane keeps a group's value, at any wave width");

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
template <int Lanes, int Tokens, class X, class G>
__device__ void lane_dots(const Operands<X, G>& o, int64_t token, int64_t expert, float (&sum)[Tokens]) {
  const G* row = o.gate + expert * o.gate_stride;
  for (int h = lane_number<Lanes>() * 8; h < o.width; h += Lanes * 8) {
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

/// A token's experts in the registers of a wave: expert Lanes i + lane is candidate i of the lane. Arrays are indexed
/// by unrolled loops only, or they would not be in registers.
template <int Lanes, int PerLane>
struct Candidates {
  unsigned key[PerLane];     ///< order of the choice's value; kExcluded: not, or no longer, to be chosen
  uint64_t chosen[PerLane];  ///< bit l: expert Lanes i + l is; the same in all lanes

  __device__ static int expert(int i) { return Lanes * i + lane_number<Lanes>(); }

  /// The lower index of the largest key among the candidates that `among` lets in, of which there is one.
  template <class Among>
  __device__ __forceinline__ int best(Among among) const {
    unsigned own = kExcluded;
    int at = -1;
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) {
      if (key[i] > own && among(expert(i))) own = key[i], at = expert(i);
    }
    // The larger key first, then the lower index: as one number.
    const auto pair = static_cast<unsigned long long>(own) << 32 | static_cast<unsigned>(~at);
    return ~static_cast<int>(static_cast<unsigned>(wave_max<Lanes>(pair)));
  }
  __device__ __forceinline__ void choose(int e) {
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) {
      chosen[i] |= i == e / Lanes ? uint64_t{1} << (e % Lanes) : 0;
      key[i] = expert(i) == e ? kExcluded : key[i];
    }
  }
  /// The lowest expert of a mask like `chosen`, which loses it; there is one.
  __device__ __forceinline__ static int take_lowest(uint64_t (&left)[PerLane]) {
    int lowest = -1;
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) {
      if (lowest >= 0 || left[i] == 0) continue;
      lowest = Lanes * i + __ffsll(static_cast<long long>(left[i])) - 1;
      left[i] &= left[i] - 1;
    }
    return lowest;
  }
  /// f(e, position) for the chosen experts in ascending order.
  template <class F>
  __device__ __forceinline__ void for_each_chosen(F f) const {
    uint64_t left[PerLane];
    int count = 0;
    GPU_UNROLL
    for (int i = 0; i < PerLane; ++i) left[i] = chosen[i], count += __popcll(chosen[i]);
    for (int position = 0; position < count; ++position) f(take_lowest(left), position);
  }
};

template <int Lanes, int PerLane>
__device__ __forceinline__ void load_candidates(const MoeRouteArgs& a, int64_t t, Candidates<Lanes, PerLane>& c) {
  GPU_UNROLL
  for (int i = 0; i < PerLane; ++i) {
    const int e = c.expert(i);
    c.key[i] = e < a.logits.dim[1] ? ordered(choice_of(a, t, e)) : kExcluded;
    c.chosen[i] = 0;
  }
}

/// Sum of the two largest values of the group of `size` experts from `first` on (of its only one, if it has one).
template <int Lanes, int PerLane>
__device__ __forceinline__ float group_value(const MoeRouteArgs& a, int64_t t, const Candidates<Lanes, PerLane>& c,
                                             int first, int size) {
  const auto member = [=](int e) { return e >= first && e < first + size; };
  const int best = c.best(member);
  const float value = choice_of(a, t, best);
  if (size == 1) return value;
  return value + choice_of(a, t, c.best([=](int e) { return member(e) && e != best; }));
}

/// Excludes the experts of all but the best topk_group groups; of equal groups the lower index is kept.
template <int Lanes, int PerLane>
__device__ __forceinline__ void keep_best_groups(const MoeRouteArgs& a, int64_t t, Candidates<Lanes, PerLane>& c) {
  const int groups = static_cast<int>(a.n_group), size = static_cast<int>(a.logits.dim[1]) / groups;
  float mine = 0;  // the value of group number `lane`
  for (int g = 0; g < groups; ++g) {
    const float value = group_value(a, t, c, g * size, size);
    if (lane_number<Lanes>() == g) mine = value;
  }
  int before = 0;  // groups that come before the lane's
  for (int g = 0; g < groups; ++g) {
    const float other = __shfl(mine, g, Lanes);
    before += other > mine || (other == mine && g < lane_number<Lanes>());
  }
  const uint64_t kept = __ballot(lane_number<Lanes>() < groups && before < a.topk_group);
  GPU_UNROLL
  for (int i = 0; i < PerLane; ++i) {
    const int e = c.expert(i);
    if (e < groups * size && (kept >> (e / size) & 1) == 0) c.key[i] = kExcluded;
  }
}

template <int Lanes, int PerLane>
__device__ __forceinline__ void choose_best(const MoeRouteArgs& a, int64_t t, Candidates<Lanes, PerLane>& c) {
  if (a.topk_group < a.n_group) keep_best_groups(a, t, c);
  for (int64_t k = 0; k < a.ids.dim[1]; ++k) c.choose(c.best([](int) { return true; }));
}

template <int Lanes, int PerLane>
__device__ __forceinline__ void choose_forced(const MoeRouteArgs& a, int64_t t, Candidates<Lanes, PerLane>& c) {
  for (int64_t k = 0; k < a.forced_ids.dim[1]; ++k) {
    const int e = int_at(a.forced_ids, t, k);
    if (e >= 0 && e < a.logits.dim[1]) c.choose(e);
  }
}

template <int Lanes, int PerLane>
__device__ __forceinline__ void write_chosen(const MoeRouteArgs& a, int64_t t, const Candidates<Lanes, PerLane>& c) {
  float sum = 1e-20f;
  c.for_each_chosen([&](int e, int) { sum += score_of(a, t, e); });
  c.for_each_chosen([&](int e, int position) {
    if (lane_number<Lanes>() != position % Lanes) return;
    const float score = score_of(a, t, e);
    int_at(a.ids, t, position) = e;
    set(a.weights, (a.norm_topk ? score / sum : score) * a.scaling, t, position);
  });
}

// ---- Kernels

/// A wave per expert and `Tokens` tokens.
template <int Lanes, int Tokens, class X, class G>
__global__ void __launch_bounds__(hip_plan::kDotWaves* Lanes) dots_kernel(Operands<X, G> o, TensorView logits) {
  needs_wave<Lanes>();
  const int64_t expert = int64_t(blockIdx.x) * hip_plan::kDotWaves + wave_number<Lanes>();
  const int64_t token = int64_t(blockIdx.y) * Tokens;
  if (expert >= o.experts) return;
  float sum[Tokens] = {};
  lane_dots<Lanes, Tokens>(o, token, expert, sum);
  GPU_UNROLL
  for (int i = 0; i < Tokens; ++i) {
    const float logit = wave_sum<Lanes>(sum[i]);
    if (lane_number<Lanes>() == 0 && token + i < o.tokens) set(logits, logit, token + i, expert);
  }
}

/// A wave per token.
template <int Lanes, int PerLane>
__global__ void __launch_bounds__(hip_plan::kChooseWaves* Lanes) choose_kernel(MoeRouteArgs a) {
  needs_wave<Lanes>();
  const int64_t t = int64_t(blockIdx.x) * hip_plan::kChooseWaves + wave_number<Lanes>();
  if (t >= a.ids.dim[0]) return;
  Candidates<Lanes, PerLane> candidates;
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

dim3 grid(const hip_plan::Blocks& blocks) { return {static_cast<unsigned>(blocks.x), static_cast<unsigned>(blocks.y)}; }

template <class X, class G>
void launch_dots(const MoeRouteArgs& a, const hip_plan::RoutePlan& plan, Exec exec) {
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    const dim3 threads(hip_plan::kDotWaves * kLanes);
    const auto route_dots = plan.tokens_per_wave == 1 ? dots_kernel<kLanes, 1, X, G> : dots_kernel<kLanes, 4, X, G>;
    GLMV_LAUNCH(route_dots, grid(plan.logits), threads, 0, exec, operands<X, G>(a), a.logits);
  });
}

/// As a linear without bias that keeps f32; the op has no scratch memory, so K is not split.
void launch_tiles(const MoeRouteArgs& a, Exec exec) {
  const LinearArgs linear = {a.x, a.gate, {}, a.logits};
  const hip_plan::LinearPlan plan = hip_plan::plan_linear(linear, current_device(), false);
  const bool skinny = plan.path == hip_plan::LinearPath::skinny;
  skinny ? linear_skinny(operands_of(linear, plan.wide_stores), plan, exec)
         : linear_dense(operands_of(linear, plan.wide_stores), plan, exec);
}

void launch_logits(const MoeRouteArgs& a, const hip_plan::RoutePlan& plan, Exec exec) {
  const bool x_f32 = a.x.dtype == DType::f32, gate_f32 = a.gate.data.dtype == DType::f32;
  if (plan.path == hip_plan::RoutePath::tiles) {
    launch_tiles(a, exec);
  } else if (x_f32) {
    gate_f32 ? launch_dots<float, float>(a, plan, exec) : launch_dots<float, bf16>(a, plan, exec);
  } else {
    gate_f32 ? launch_dots<bf16, float>(a, plan, exec) : launch_dots<bf16, bf16>(a, plan, exec);
  }
}

void launch_choose(const MoeRouteArgs& a, const hip_plan::RoutePlan& plan, Exec exec) {
  const int64_t experts = a.gate.rows();
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    constexpr int kMost = hip_plan::kMaxExperts / kLanes;
    const int64_t each = (experts + kLanes - 1) / kLanes;
    const auto route_choose = each == 1   ? choose_kernel<kLanes, 1>
                              : each == 2 ? choose_kernel<kLanes, 2>
                              : each <= 4 ? choose_kernel<kLanes, 4>
                                          : choose_kernel<kLanes, kMost>;
    GLMV_LAUNCH(route_choose, grid(plan.choose), dim3(hip_plan::kChooseWaves * kLanes), 0, exec, a);
  });
}

hip_plan::RoutePlan plan_of(const MoeRouteArgs& a) {
  return hip_plan::plan_route({a.x.dim[0], a.ids.dim[1], a.gate.rows(), a.x.dim[1], a.n_group, a.x.dtype,
                               a.gate.data.dtype, a.gate.format, rows_aligned(a.x) && rows_aligned(a.gate.data)},
                              current_device());
}

}  // namespace

void moe_route(const MoeRouteArgs& a, Exec exec) {
  check(a);
  check_type("moe_route", a.x.dtype);
  const hip_plan::RoutePlan plan = plan_of(a);
  if (plan.path == hip_plan::RoutePath::naive) return naive::moe_route(a, exec);
  if (a.x.dim[0] == 0) return;
  launch_logits(a, plan, exec);
  launch_choose(a, plan, exec);
}

}  // namespace glmv::GLMV_BACKEND
