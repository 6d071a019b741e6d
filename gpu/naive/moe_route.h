#include "reference/moe_route.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per token and expert: x . gate in f32.
__global__ void gate_kernel(ConstTensorView x, Weight gate, TensorView logits) {
  const int64_t t = thread_number() / logits.dim[1], e = thread_number() % logits.dim[1];
  if (t >= logits.dim[0]) return;
  float sum = 0;
  for (int64_t h = 0; h < x.dim[1]; ++h) sum = fmaf(get(x, t, h), weight_at(gate, e, h), sum);
  set(logits, sum, t, e);
}

/// One token's scores. Values are computed again wherever they are needed: nothing has to be kept.
struct Token {
  const MoeRouteArgs& a;
  int64_t t;
  int groups, size;  ///< of a group

  __device__ float score(int64_t e) const { return sigmoid(get(a.logits, t, e)); }
  __device__ float choice(int64_t e) const { return score(e) + get(a.correction_bias, e); }

  /// Sum of a group's two largest choices (its only one, if it has one).
  __device__ float group_value(int group) const {
    float first = -INFINITY, second = -INFINITY;
    for (int e = group * size; e < (group + 1) * size; ++e) {
      const float c = choice(e);
      if (c > first) {
        second = first, first = c;
      } else if (c > second) {
        second = c;
      }
    }
    return size > 1 ? first + second : first;
  }
  /// A group is kept if fewer than topk_group others come before it; of equal ones the lower index comes first.
  __device__ bool is_kept(int group) const {
    int before = 0;
    const float value = group_value(group);
    for (int g = 0; g < groups; ++g) before += comes_before(group_value(g), g, value, group);
    return before < a.topk_group;
  }
  __device__ static bool comes_before(float value, int index, float other, int other_index) {
    return value > other || (value == other && index < other_index);
  }
  /// The best expert of the kept groups that comes after `last` in the ranking; last = -1: the best of all.
  __device__ int32_t next_best(int32_t last) const {
    int32_t best = -1;
    float best_choice = 0;
    const float last_choice = last < 0 ? 0 : choice(last);
    for (int group = 0; group < groups; ++group) {
      if (!is_kept(group)) continue;
      for (int e = group * size; e < (group + 1) * size; ++e) {
        const float c = choice(e);
        const bool after = last < 0 || comes_before(last_choice, last, c, e);
        if (after && (best < 0 || comes_before(c, e, best_choice, best))) best = e, best_choice = c;
      }
    }
    return best;
  }
};

/// Puts the k-th id of a row where it belongs among those before it.
__device__ void insert_sorted(const TensorView& ids, int64_t t, int k, int32_t id) {
  for (; k > 0 && int_at(ids, t, k - 1) > id; --k) int_at(ids, t, k) = int_at(ids, t, k - 1);
  int_at(ids, t, k) = id;
}

/// One thread per token: choose, or take the forced ids.
__global__ void choose_kernel(MoeRouteArgs a) {
  const int64_t t = thread_number();
  if (t >= a.ids.dim[0]) return;
  const Token token{a, t, static_cast<int>(a.n_group), static_cast<int>(a.logits.dim[1] / a.n_group)};
  int32_t last = -1;
  for (int k = 0; k < static_cast<int>(a.ids.dim[1]); ++k) {
    last = a.forced_ids.data != nullptr ? int_at(a.forced_ids, t, k) : token.next_best(last);
    insert_sorted(a.ids, t, k, last);
  }
}

/// One thread per token: the weights of the chosen.
__global__ void weigh_kernel(MoeRouteArgs a) {
  const int64_t t = thread_number(), chosen = a.ids.dim[1];
  if (t >= a.ids.dim[0]) return;
  const auto score = [&](int64_t k) { return sigmoid(get(a.logits, t, int_at(a.ids, t, k))); };
  float sum = 1e-20f;
  for (int64_t k = 0; k < chosen; ++k) sum += score(k);
  for (int64_t k = 0; k < chosen; ++k) set(a.weights, (a.norm_topk ? score(k) / sum : score(k)) * a.scaling, t, k);
}

}  // namespace

void moe_route(const MoeRouteArgs& a, Exec exec) {
  check(a);
  check_type("moe_route", a.x.dtype);
  GLMV_LAUNCH_EACH(gate_kernel, a.logits.size(), exec, a.x, a.gate, a.logits);
  GLMV_LAUNCH_EACH(choose_kernel, a.ids.dim[0], exec, a);
  GLMV_LAUNCH_EACH(weigh_kernel, a.ids.dim[0], exec, a);
}

}  // namespace glmv::GLMV_BACKEND::naive
