// Stage 9: which experts a token goes to, and with which weights.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "crosscheck/mistake_tools.h"
#include "reference/moe_route.h"

namespace glmv {
namespace {

// What a judge of choices has to know too (bias, groups) is changed in weights and configuration, not in the op.

void bias_in_bf16(Mutant& m) {
  for_moe(m, [&](MoeWeights& moe) { round_weight(m, moe.correction_bias, DType::bf16); });
}

void without_bias(Mutant& m) {
  for_moe(m, [&](MoeWeights& moe) { set_zero(m, moe.correction_bias); });
}

void without_groups(Mutant& m) { m.model.config.text.n_group = m.model.config.text.topk_group = 1; }

void one_expert_less(Mutant& m) {
  int64_t& k = m.model.config.text.num_experts_per_tok;
  if (k > 1) --k;
}

void gate_in_bf16(Mutant& m) {
  for_moe(m, [&](MoeWeights& moe) { round_weight(m, moe.gate, DType::bf16); });
  m.backend.ops.moe_route.run = [](const MoeRouteArgs& a, Exec exec) {
    const Tensor x = rounded(a.x, DType::bf16);
    MoeRouteArgs wrong = a;
    wrong.x = x.view;
    ref::moe_route(wrong, exec);
  };
}

// ---- weights of the chosen

/// score(token, expert) in place of the sigmoid, before normalising and scaling.
template <class Score>
void reweigh(const MoeRouteArgs& a, Score score) {
  Tensor weights(DType::f64, a.weights);
  const auto id = as<int32_t, 2>(a.ids);
  for (int64_t t = 0; t < id.dim[0]; ++t) {
    double* w = weights.data<double>() + t * id.dim[1];
    double sum = 1e-20;
    for (int64_t k = 0; k < id.dim[1]; ++k) sum += w[k] = score(t, id(t, k));
    for (int64_t k = 0; k < id.dim[1]; ++k) w[k] = (a.norm_topk ? w[k] / sum : w[k]) * static_cast<double>(a.scaling);
  }
  convert(weights.view, a.weights);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

void bias_in_weights(const MoeRouteArgs& a, Exec exec) {
  ref::moe_route(a, exec);
  const Tensor logits = f64_of(a.logits), bias = f64_of(a.correction_bias);
  reweigh(a, [&](int64_t t, int32_t e) {
    return sigmoid(logits.data<double>()[t * a.logits.dim[1] + e]) + bias.data<double>()[e];
  });
}

/// The biased score minus the bias, each rounded to f32: little is left of a score behind a large bias.
void recovered_scores(const MoeRouteArgs& a, Exec exec) {
  ref::moe_route(a, exec);
  const Tensor logits = f64_of(a.logits), bias = f64_of(a.correction_bias);
  reweigh(a, [&](int64_t t, int32_t e) {
    const auto b = static_cast<float>(bias.data<double>()[e]);
    const float s = static_cast<float>(sigmoid(logits.data<double>()[t * a.logits.dim[1] + e])) + b;
    return static_cast<double>(s - b);
  });
}

double softmax(const Tensor& logits, int64_t t, int32_t e) {
  const int64_t experts = logits.view.dim[1];
  const double* row = logits.data<double>() + t * experts;
  double sum = 0;
  for (int64_t i = 0; i < experts; ++i) sum += std::exp(row[i] - row[e]);
  return 1 / sum;
}

void softmax_weights(const MoeRouteArgs& a, Exec exec) {
  ref::moe_route(a, exec);
  const Tensor logits = f64_of(a.logits);
  reweigh(a, [&](int64_t t, int32_t e) { return softmax(logits, t, e); });
}

/// The choice, too: sigmoid(logit') is the softmax where logit' = log(p / (1 - p)). The logits are given back as they
/// were.
void softmax_everywhere(const MoeRouteArgs& a, Exec exec) {
  if (a.forced_ids) return softmax_weights(a, exec);
  ref::moe_route(a, exec);  // for the logits
  const Tensor logits = f64_of(a.logits);
  const int64_t experts = a.logits.dim[1], tokens = a.logits.dim[0];
  // An identity as gate and the changed logits as input make the op choose by them.
  Tensor changed(a.logits.dtype, a.logits), gate(a.logits.dtype, {experts, experts}), unused(a.logits.dtype, a.logits);
  Tensor odds = f64_of(a.logits);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int32_t e = 0; e < experts; ++e) {
      const double p = softmax(logits, t, e);
      odds.data<double>()[t * experts + e] = std::log(p / (1 - p));
    }
  }
  Tensor identity(DType::f64, {experts, experts});
  for (int64_t e = 0; e < experts; ++e) identity.data<double>()[e * experts + e] = 1;
  convert(odds.view, changed.view), convert(identity.view, gate.view);
  MoeRouteArgs wrong = a;
  wrong.x = changed.view;
  wrong.gate = {};
  wrong.gate.data = gate.view;
  wrong.logits = unused.view;
  ref::moe_route(wrong, exec);
}

/// The n largest values, by index, ascending; of equal ones the lower index.
std::vector<size_t> largest(const std::vector<double>& values, size_t n) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(n);
  std::sort(order.begin(), order.end());
  return order;
}

/// The k experts of one token if a group counts as much as its best expert.
std::vector<size_t> best_of_best_groups(std::vector<double> biased, const MoeRouteArgs& a) {
  const auto groups = static_cast<size_t>(a.n_group);
  const size_t size = biased.size() / groups;
  std::vector<double> best(groups);
  for (size_t g = 0; g < groups; ++g) best[g] = *std::max_element(&biased[g * size], &biased[g * size] + size);
  const std::vector<size_t> kept = largest(best, static_cast<size_t>(a.topk_group));
  for (size_t e = 0; e < biased.size(); ++e) {
    if (!std::binary_search(kept.begin(), kept.end(), e / size)) biased[e] = -std::numeric_limits<double>::infinity();
  }
  return largest(biased, static_cast<size_t>(a.ids.dim[1]));
}

void groups_by_maximum(const MoeRouteArgs& a, Exec exec) {
  ref::moe_route(a, exec);  // for the logits
  if (a.forced_ids) return;
  const Tensor logits = f64_of(a.logits), bias = f64_of(a.correction_bias);
  Tensor ids(DType::i32, a.ids);
  std::vector<double> biased(static_cast<size_t>(bias.view.dim[0]));
  for (int64_t t = 0; t < a.ids.dim[0]; ++t) {
    for (size_t e = 0; e < biased.size(); ++e)
      biased[e] = sigmoid(logits.data<double>()[static_cast<size_t>(t) * biased.size() + e]) + bias.data<double>()[e];
    int32_t* row = ids.data<int32_t>() + t * a.ids.dim[1];
    for (size_t e : best_of_best_groups(biased, a)) *row++ = static_cast<int32_t>(e);
  }
  MoeRouteArgs chosen = a;
  chosen.forced_ids = ids.view;
  ref::moe_route(chosen, exec);
}

Mistake entry(const char* name, const char* point, const char* wrong, const char* right, const char* source,
              void (*build)(Mutant&)) {
  return {name, 9, point, wrong, right, source, build};
}

}  // namespace

std::vector<Mistake> router_mistakes() {
  Mistake fewer = entry("top_k=one_less", "mlp.gate.topk_ids", "a token goes to one expert less",
                        "to num_experts_per_tok", "reference/moe_route.h", one_expert_less);
  fewer.reshapes = true;
  const char* ids = "mlp.gate.topk_ids";
  const char* weights = "mlp.gate.topk_weights";
  const char* header = "reference/moe_route.h";
  const char* chosen = "experts are chosen by sigmoid(logit) + correction bias, the bias in f32";
  const char* weighed = "the weight of a chosen expert is its sigmoid without the bias";
  const char* scale = "routed_scaling_factor is applied once, to the normalised weights";
  return {
      entry("routed_scale=twice", weights, "routed_scaling_factor is applied twice", scale,
            "https://github.com/vllm-project/vllm/pull/24119",
            [](Mutant& m) {
              float& s = m.model.config.text.routed_scaling_factor;
              s *= s;
            }),
      entry("routed_scale=omitted", weights, "routed_scaling_factor is not applied", scale,
            "https://github.com/sgl-project/sglang/pull/8511",
            [](Mutant& m) { m.model.config.text.routed_scaling_factor = 1; }),
      entry("router_bias=bf16", ids, "the correction bias was rounded to bf16", chosen,
            "https://github.com/sgl-project/sglang/pull/37133", bias_in_bf16),
      entry("router_bias=omitted", ids, "experts are chosen without the correction bias", chosen, header, without_bias),
      entry("router_bias=in_weights", weights, "the correction bias enters the experts' weights", weighed, header,
            [](Mutant& m) { m.backend.ops.moe_route.run = bias_in_weights; }),
      entry("router_scores=recovered", weights, "scores are recovered in f32 by taking the bias off the biased score",
            weighed, "https://github.com/vllm-project/vllm/issues/47367",
            [](Mutant& m) { m.backend.ops.moe_route.run = recovered_scores; }),
      entry("router_scores=softmax", ids, "scores are a softmax over the experts", "a sigmoid of each logit by itself",
            header,
            [](Mutant& m) {
              m.router.softmax_scores = true;
              m.backend.ops.moe_route.run = softmax_everywhere;
            }),
      entry("router_scores=softmax_weights", weights, "experts are chosen by sigmoids but weighed by a softmax",
            weighed, header, [](Mutant& m) { m.backend.ops.moe_route.run = softmax_weights; }),
      entry("router_groups=off", ids, "experts are chosen among all groups", "among the best topk_group of n_group",
            header, without_groups),
      entry("router_groups=by_maximum", ids, "a group of experts is ranked by its best one",
            "by the sum of its two best", header,
            [](Mutant& m) {
              m.router.groups_by_maximum = true;
              m.backend.ops.moe_route.run = groups_by_maximum;
            }),
      entry("norm_topk=off", weights, "the chosen weights are not normalised", "they add up to 1 before scaling",
            header, [](Mutant& m) { m.model.config.text.norm_topk_prob = false; }),
      entry("router_gate=bf16", "mlp.gate.logits", "the router's product has bf16 inputs", "everything is f32", header,
            gate_in_bf16),
      fewer,
  };
}

}  // namespace glmv
