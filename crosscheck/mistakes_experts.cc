// Stage 9: what the experts do with a token.
#include <algorithm>

#include "crosscheck/mistake_tools.h"
#include "reference/moe_experts.h"
#include "reference/moe_route.h"

namespace glmv {
namespace {

/// The true op with other weights of the chosen: w = change(w).
template <class Change>
void reweighed(const MoeExpertsArgs& a, Exec exec, Change change) {
  const Tensor values = f64_of(a.weights);
  for (int64_t i = 0; i < values.view.size(); ++i) values.data<double>()[i] = change(values.data<double>()[i]);
  Tensor weights(a.weights.dtype, a.weights);
  convert(values.view, weights.view);
  MoeExpertsArgs wrong = a;
  wrong.weights = weights.view;
  ref::moe_experts(wrong, exec);
}

void unweighted(const MoeExpertsArgs& a, Exec exec) {
  reweighed(a, exec, [](double) { return 1.0; });
}

/// routed_scaling_factor of the router that ran last on this thread.
thread_local double last_scaling = 1;

void route_and_remember(const MoeRouteArgs& a, Exec exec) {
  last_scaling = static_cast<double>(a.scaling);
  ref::moe_route(a, exec);
}
void scaled_again(const MoeExpertsArgs& a, Exec exec) {
  reweighed(a, exec, [](double w) { return w * last_scaling; });
}

/// An expert's weight multiplies what goes into it: slot by slot, each with inputs of its own.
void weighted_inputs(const MoeExpertsArgs& a, Exec exec) {
  const int64_t tokens = a.x.dim[0], width = a.x.dim[1];
  const Tensor values = f64_of(a.x), weights = f64_of(a.weights);
  Tensor sum(DType::f64, a.x), x(a.x.dtype, a.x), out(a.x.dtype, a.x), ones(a.weights.dtype, {tokens, 1});
  Tensor one(DType::f64, {tokens, 1});
  std::fill_n(one.data<double>(), tokens, 1.0);
  convert(one.view, ones.view);
  for (int64_t k = 0; k < a.ids.dim[1]; ++k) {
    Tensor scaled = f64_of(a.x);
    for (int64_t i = 0; i < tokens * width; ++i)
      scaled.data<double>()[i] *= weights.data<double>()[i / width * a.ids.dim[1] + k];
    convert(scaled.view, x.view);
    Tensor ids(DType::i32, {tokens, 1});
    convert(slice(a.ids, 1, k, k + 1), ids.view);
    ref::moe_experts({x.view, ids.view, ones.view, a.experts, out.view, a.rounding}, exec);
    const Tensor part = f64_of(out.view);
    for (int64_t i = 0; i < tokens * width; ++i) sum.data<double>()[i] += part.data<double>()[i];
  }
  convert(sum.view, a.out);
}

/// Expert e answers for expert e + 1, as after a shard that starts one too late.
void shifted(const MoeExpertsArgs& a, Exec exec) {
  Tensor ids(DType::i32, a.ids);
  const auto id = as<int32_t, 2>(a.ids);
  for (int64_t i = 0; i < ids.view.size(); ++i) {
    const int32_t e = id(i / id.dim[1], i % id.dim[1]);
    ids.data<int32_t>()[i] = static_cast<int32_t>((e + 1) % a.experts.count);
  }
  MoeExpertsArgs wrong = a;
  wrong.ids = ids.view;
  ref::moe_experts(wrong, exec);
}

void without_shared(Mutant& m) {
  for_moe(m, [&](MoeWeights& moe) { set_zero(m, moe.shared.down); });
}

void scaled_shared(Mutant& m) {
  const auto factor = static_cast<double>(m.model.config.text.routed_scaling_factor);
  for_moe(m, [&](MoeWeights& moe) { scale_weight(m, moe.shared.down, factor); });
}

void swap_experts_gate_and_up(Mutant& m) {
  for_moe(m, [](MoeWeights& moe) { std::swap(moe.expert_gate, moe.expert_up); });
}

Mistake entry(const char* name, const char* point, const char* wrong, const char* right, const char* source,
              void (*build)(Mutant&)) {
  return {name, 9, point, wrong, right, source, build};
}

}  // namespace

std::vector<Mistake> expert_mistakes() {
  const char* experts = "mlp.experts";
  const char* header = "reference/moe_experts.h";
  const char* shared = "mlp.shared_experts";
  const char* added = "the shared expert is added as it is, without gate or factor";
  return {
      entry("routed_scale=in_experts_too", experts,
            "routed_scaling_factor is in the weights and multiplies the experts' sum again",
            "it is in the weights only", "https://github.com/vllm-project/vllm/pull/45037",
            [](Mutant& m) {
              m.backend.ops.moe_route.run = route_and_remember;
              m.backend.ops.moe_experts.run = scaled_again;
            }),
      entry("experts=unweighted", experts, "the chosen experts are added up without their weights",
            "each output is multiplied by the expert's weight", header,
            [](Mutant& m) { m.backend.ops.moe_experts.run = unweighted; }),
      entry("experts=weighted_inputs", experts, "weights multiply what goes into the experts",
            "they multiply what comes out", header, [](Mutant& m) { m.backend.ops.moe_experts.run = weighted_inputs; }),
      entry("experts=shifted", experts, "expert e + 1 answers for expert e", "expert e does", header,
            [](Mutant& m) { m.backend.ops.moe_experts.run = shifted; }),
      entry("experts_gate_up=swapped", experts, "the routed experts activate the up branch",
            "gate rows come first, SiLU is on the gate branch", header, swap_experts_gate_and_up),
      entry("shared_expert=omitted", shared, "the shared expert is left out", added, "reference/model/text.h",
            without_shared),
      entry("shared_expert=scaled", shared, "the shared expert is multiplied by routed_scaling_factor", added,
            "https://github.com/sgl-project/sglang/pull/8511", scaled_shared),
  };
}

}  // namespace glmv
