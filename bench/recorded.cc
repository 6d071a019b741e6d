#include "bench/recorded.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "data/safetensors.h"
#include "reference/core/cost.h"
#include "reference/core/published.h"
#include "reference/moe_experts.h"

namespace glmv::bench {
namespace {

/// One layer's routing, and what went through it.
struct Routing {
  int64_t tokens = 0, k = 0, experts = 0, width = 0, ffn = 0;
  std::vector<int32_t> ids;
  std::vector<double> weights, rows;  ///< rows empty: drawn ones
};

std::vector<double> numbers(const ConstTensorView& v) {
  Tensor wide(DType::f64, v);
  convert(v, wide.view);
  return {wide.data<double>(), wide.data<double>() + wide.view.size()};
}

const ConstTensorView* find(const SafetensorsFile& file, const std::string& name) {
  const auto found = file.tensors().find(name);
  return found == file.tensors().end() ? nullptr : &found->second;
}

/// The choices of one layer, "model.language_model.layers.3.mlp.gate".
Routing routing_of(const SafetensorsFile& file, const std::string& gate) {
  const auto need = [&](const char* what) {
    const ConstTensorView* v = find(file, gate + what);
    if (v == nullptr || v->rank != 2)
      input_error(file.path(), ": ", gate, what, v == nullptr ? " is missing" : " is no table");
    return *v;
  };
  const ConstTensorView ids = need(".topk_ids"), weights = need(".topk_weights"), logits = need(".logits");
  Routing r;
  r.tokens = ids.dim[0], r.k = ids.dim[1], r.experts = logits.dim[1];
  if (weights.dim[0] != r.tokens || weights.dim[1] != r.k || logits.dim[0] != r.tokens)
    input_error(file.path(), ": ", gate, ": topk_ids ", ids, ", topk_weights ", weights, ", logits ", logits);
  for (const double id : numbers(ids)) {
    if (!(id >= 0 && id < static_cast<double>(r.experts)))
      input_error(file.path(), ": ", gate, ".topk_ids holds ", id, ", there are ", r.experts, " experts");
    r.ids.push_back(static_cast<int32_t>(id));
  }
  for (int64_t t = 0; t < r.tokens; ++t) {
    std::vector<int32_t> row(r.ids.begin() + t * r.k, r.ids.begin() + (t + 1) * r.k);
    std::sort(row.begin(), row.end());
    if (std::adjacent_find(row.begin(), row.end()) != row.end())
      input_error(file.path(), ": ", gate, ".topk_ids: token ", t, " goes to one expert twice");
  }
  r.weights = numbers(weights);
  for (const double w : r.weights) {
    if (!std::isfinite(w)) input_error(file.path(), ": ", gate, ".topk_weights holds ", w);
  }
  return r;
}

Case case_of(const std::string& what, const Routing& routing) {
  const auto shared = std::make_shared<const Routing>(routing);
  Case c;
  c.name = concat("moe_experts/recorded_", what, "_bf16_hf_T", routing.tokens, "_H", routing.width, "_F", routing.ffn,
                  "_E", routing.experts, "_K", routing.k);
  c.dtype = DType::bf16;
  c.small = false, c.bench = true;
  c.tokens = routing.tokens;
  std::vector<int64_t> rows(static_cast<size_t>(routing.experts), 0);
  for (const int32_t id : routing.ids) ++rows[static_cast<size_t>(id)];
  std::vector<bool> used;
  for (const int64_t n : rows) {
    used.push_back(n > 0);
    c.experts_touched += n > 0 ? 1 : 0;
    c.most_rows = std::max(c.most_rows, n);
  }
  const auto d = [](int64_t n) { return static_cast<double>(n); };
  const Cost cost =
      experts_cost(d(routing.tokens), d(routing.k), d(c.experts_touched), d(routing.width), d(routing.ffn));
  c.flops = cost.flops, c.bytes = cost.bytes;
  sample_rows(c);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.moe_experts); };
  c.build = [shared, used](CaseRun& r, const OpTable& ops) -> CaseCall {
    const Routing& s = *shared;
    const TokenRows tokens = r.tokens(s.tokens);
    MoeExpertsArgs a;
    a.x = s.rows.empty() ? r.input("x", tokens, {s.width})
                         : r.values("x", r.activation(), tokens.pick(s.rows, s.width), {tokens.count(), s.width});
    a.ids = r.ids("ids", tokens.pick(s.ids, s.k), {tokens.count(), s.k});
    a.weights = r.values("weights", r.exact(), tokens.pick(s.weights, s.k), {tokens.count(), s.k});
    a.experts = r.experts(s.experts, s.ffn, s.width, Format::plain, used);
    a.out = r.output("out", tokens, {s.width});
    a.rounding = r.scalar("rounding", Rounding::hf);
    return [=, &ops](Exec e) { ops.moe_experts(a, e); };
  };
  return c;
}

}  // namespace

std::vector<Case> recorded_cases(const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const std::string begin = "model.language_model.layers.", end = ".mlp.gate.topk_ids";
  std::vector<Case> cases;
  for (const auto& [name, view] : file.tensors()) {
    if (name.rfind(begin, 0) != 0 || name.size() < end.size() || !name.ends_with(end)) continue;
    const std::string layer = name.substr(begin.size(), name.size() - begin.size() - end.size());
    Routing r = routing_of(file, begin + layer + ".mlp.gate");
    r.width = kGlm45v.hidden, r.ffn = kGlm45v.expert_ffn;
    const ConstTensorView* x = find(file, begin + layer + ".post_attention_layernorm");
    if (x != nullptr && x->rank == 2 && x->dim[0] == r.tokens) {
      Routing own = r;
      own.width = x->dim[1];
      own.ffn = std::max<int64_t>(own.width * kGlm45v.expert_ffn / kGlm45v.hidden / 8 * 8, 8);
      own.rows = numbers(*x);
      for (const double value : own.rows) {
        if (!std::isfinite(value))
          input_error(file.path(), ": ", begin, layer, ".post_attention_layernorm holds ", value);
      }
      cases.push_back(case_of("layer" + layer, own));
    }
    if (x == nullptr || x->dim[1] != r.width) cases.push_back(case_of("layer" + layer + "_at_glm45v", r));
  }
  if (cases.empty()) input_error(path, ": holds no routing (", begin, "N", end, "): record it with glmv trace");
  return cases;
}

}  // namespace glmv::bench
