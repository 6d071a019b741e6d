#include "reference/moe_route.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "reference/core/matmul.h"
#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const MoeRouteArgs& a) {
  const int64_t tokens = a.x.dim[0], experts = a.gate.rows(), k = a.ids.dim[1];
  GLMV_CHECK(a.x.rank == 2 && a.gate.data.rank == 2 && a.gate.cols() == a.x.dim[1], "x ", a.x, " gate ", a.gate);
  GLMV_CHECK(a.correction_bias.rank == 1 && a.correction_bias.dim[0] == experts, "bias ", a.correction_bias);
  GLMV_CHECK(a.logits.rank == 2 && a.logits.dim[0] == tokens && a.logits.dim[1] == experts, "logits ", a.logits);
  GLMV_CHECK(a.ids.rank == 2 && a.ids.dtype == DType::i32 && a.ids.dim[0] == tokens, "ids ", a.ids);
  GLMV_CHECK(a.weights.rank == 2 && a.weights.dim[0] == tokens && a.weights.dim[1] == k, "weights ", a.weights);
  const DType exact = a.x.dtype == DType::f64 ? DType::f64 : DType::f32;
  GLMV_CHECK(a.logits.dtype == exact && a.weights.dtype == exact, "logits ", a.logits, " weights ", a.weights);
  GLMV_CHECK(a.n_group >= 1 && experts % a.n_group == 0 && 1 <= a.topk_group && a.topk_group <= a.n_group, experts,
             " experts, ", a.n_group, " groups, ", a.topk_group, " kept");
  GLMV_CHECK(1 <= k && k <= a.topk_group * (experts / a.n_group), k, " of ", experts, " experts");
  GLMV_CHECK(!a.forced_ids || (a.forced_ids.rank == 2 && a.forced_ids.dtype == DType::i32 &&
                               a.forced_ids.dim[0] == tokens && a.forced_ids.dim[1] == k),
             "forced_ids ", a.forced_ids, " ids ", a.ids);
}

namespace ref {
namespace {

/// Indices of the n largest values, ascending; of equal values the lower index wins.
template <class Acc>
std::vector<int32_t> largest(const std::vector<Acc>& value, int64_t n) {
  std::vector<int32_t> order(value.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return value[static_cast<size_t>(a)] > value[static_cast<size_t>(b)]; });
  order.resize(static_cast<size_t>(n));
  std::sort(order.begin(), order.end());
  return order;
}

/// Sum of the two largest values of each group (of the only one, if a group has one).
template <class Acc>
std::vector<Acc> group_scores(const std::vector<Acc>& choice, int64_t groups) {
  const size_t size = choice.size() / static_cast<size_t>(groups);
  std::vector<Acc> out;
  for (size_t begin = 0; begin < choice.size(); begin += size) {
    std::vector<Acc> group(choice.begin() + static_cast<std::ptrdiff_t>(begin),
                           choice.begin() + static_cast<std::ptrdiff_t>(begin + size));
    std::sort(group.begin(), group.end(), std::greater<>());
    out.push_back(size > 1 ? group[0] + group[1] : group[0]);
  }
  return out;
}

/// The experts a token goes to, by biased scores.
template <class Acc>
std::vector<int32_t> choose(std::vector<Acc> choice, const MoeRouteArgs& a) {
  const size_t group_size = choice.size() / static_cast<size_t>(a.n_group);
  const std::vector<int32_t> kept = largest(group_scores(choice, a.n_group), a.topk_group);
  for (size_t e = 0; e < choice.size(); ++e) {
    const auto group = static_cast<int32_t>(e / group_size);
    if (!std::binary_search(kept.begin(), kept.end(), group)) choice[e] = -std::numeric_limits<Acc>::infinity();
  }
  return largest(choice, a.ids.dim[1]);
}

std::vector<int32_t> forced(const MoeRouteArgs& a, int64_t t) {
  const auto id = as<int32_t, 2>(a.forced_ids);
  std::vector<int32_t> ids;
  for (int64_t k = 0; k < id.dim[1]; ++k) {
    GLMV_CHECK(id(t, k) >= 0 && id(t, k) < a.gate.rows(), "forced id ", id(t, k), " of token ", t);
    ids.push_back(id(t, k));
  }
  std::sort(ids.begin(), ids.end());
  GLMV_CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end(), "token ", t, " is forced to one expert twice");
  return ids;
}

template <class Acc>
void body(const MoeRouteArgs& a, Exec exec) {
  matmul(a.x, a.gate, {}, a.logits, exec.reduction);
  const std::vector<Acc> bias = widened<Acc>(a.correction_bias);
  const auto ids = as<int32_t, 2>(a.ids);
  const auto logits = as<Acc, 2>(a.logits), weights = as<Acc, 2>(a.weights);
  parallel_for(a.x.dim[0], 64 * a.gate.rows(), [&](int64_t t) {
    std::vector<Acc> score(bias.size()), choice(bias.size());
    for (size_t e = 0; e < bias.size(); ++e) {
      score[e] = Acc(1) / (Acc(1) + std::exp(-logits(t, static_cast<int64_t>(e))));
      choice[e] = score[e] + bias[e];
    }
    const std::vector<int32_t> chosen = a.forced_ids ? forced(a, t) : choose(choice, a);
    Acc sum = Acc(1e-20);
    for (int32_t e : chosen) sum += score[static_cast<size_t>(e)];
    for (size_t k = 0; k < chosen.size(); ++k) {
      const Acc s = score[static_cast<size_t>(chosen[k])];
      ids(t, static_cast<int64_t>(k)) = chosen[k];
      weights(t, static_cast<int64_t>(k)) = (a.norm_topk ? s / sum : s) * static_cast<Acc>(a.scaling);
    }
  });
}

}  // namespace

void moe_route(const MoeRouteArgs& a, Exec exec) {
  check(a);
  with_accumulator(a.x.dtype, [&](auto acc) { body<decltype(acc)>(a, exec); });
}

}  // namespace ref
}  // namespace glmv
