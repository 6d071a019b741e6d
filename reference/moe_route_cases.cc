#include "reference/all_cases.h"
#include "reference/core/cost.h"
#include "reference/core/published.h"
#include "reference/moe_route.h"

namespace glmv {
namespace {

struct Shape {
  const char* what;
  int64_t tokens, width, experts, k;
  int64_t groups = 1, kept_groups = 1;
  bool normalise = true;
  float scaling = 1;
  bool equal_scores = false;  ///< the input is zero: every score is a half, and the biases repeat every third expert
  bool forced = false;
};

std::vector<double> repeating(int64_t n) {
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(i % 3 == 1 ? 0.25 : 0.125);
  return values;
}

Case route(DType dtype, Shape s) {
  Case c;
  c.name = concat("moe_route/", s.what, '_', name_of(dtype), "_T", s.tokens, "_H", s.width, "_E", s.experts, "_K", s.k);
  c.dtype = dtype;
  c.bench = s.width >= 4096;
  c.tokens = s.tokens;
  Cost cost = product_cost(static_cast<double>(s.tokens), static_cast<double>(s.experts), static_cast<double>(s.width),
                           {2, static_cast<double>(size_of(dtype)), 2}, 4);
  cost.bytes += 8.0 * static_cast<double>(s.tokens * s.k);  // an id and a weight per choice
  c.flops = cost.flops, c.bytes = cost.bytes;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.moe_route); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(s.tokens);
    MoeRouteArgs a;
    a.x = r.input("x", rows, {s.width}, {s.equal_scores ? 0.0 : 1.5, 0});
    a.gate = r.weight("gate", s.experts, s.width);
    a.correction_bias = s.equal_scores ? r.values("correction_bias", DType::f32, repeating(s.experts), {s.experts})
                                       : r.fixed("correction_bias", DType::f32, {s.experts}, {0.1, 0});
    r.ids("groups", {static_cast<int32_t>(s.groups), static_cast<int32_t>(s.kept_groups)});
    a.n_group = r.scalar("n_group", s.groups);
    a.topk_group = r.scalar("topk_group", s.kept_groups);
    a.norm_topk = r.scalar("norm_topk", s.normalise);
    a.scaling = r.scalar("scaling", s.scaling);
    r.scalar("top_k", s.k);
    if (s.forced) {
      std::vector<int32_t> ids;
      for (int64_t t = 0; t < s.tokens; ++t) {
        for (int64_t k = 0; k < s.k; ++k) ids.push_back(static_cast<int32_t>((t + 2 * k) % s.experts));
      }
      a.forced_ids = r.ids("forced_ids", ids, {s.tokens, s.k});
    }
    a.logits = r.output("logits", r.exact(), rows, {s.experts});
    a.ids = r.output("ids", DType::i32, rows, {s.k}, s.forced || s.equal_scores ? Judge::exact : Judge::routing);
    a.weights = r.output("weights", r.exact(), rows, {s.k});
    return [=, &ops](Exec e) { ops.moe_route(a, e); };
  };
  return c;
}

}  // namespace

Cases moe_route_cases() {
  const std::vector<Shape> shapes = {
      {"plain", 1, 32, 8, 2},
      {"plain", 7, 40, 12, 3},
      {"top8_of_128", 5, 64, 128, 8},
      {"scaling", 6, 24, 16, 4, 1, 1, true, 1.7f},
      {"groups", 9, 24, 12, 3, 2, 1, true, 1.7f},
      {"groups", 9, 24, 16, 4, 4, 2},
      {"unnormalised", 6, 24, 12, 3, 1, 1, false, 2.5f},
      {"ties", 3, 16, 12, 5, 1, 1, true, 1, true},
      {"ties", 3, 16, 12, 3, 2, 1, true, 1, true},
      {"forced", 5, 24, 12, 3, 2, 1, true, 1.7f, false, true},
      {"one_per_group", 4, 16, 4, 2, 4, 2},
      {"real", 16, 4096, 128, 8},
      // What a tuned kernel may do differently: one token, several per warp with a rest, tiles of tokens with a rest,
      // widths of several steps, more experts than a warp has lanes.
      {"top8_of_128", 1, 64, 128, 8},
      {"top8_of_128", 2, 264, 128, 8, 1, 1, true, 1.7f},
      {"top8_of_128", 17, 40, 128, 8},
      {"top8_of_128", 65, 72, 128, 8},
      {"prefill", 70, 392, 20, 4},
      {"prefill", 130, 24, 160, 6, 2, 1, true, 1.7f},
      {"groups", 17, 40, 256, 8, 8, 4, true, 2.5f},
      {"groups", 66, 32, 128, 8, 2, 1, true, 1.7f},
      {"odd_width", 9, 37, 24, 4},
      {"ties", 66, 16, 128, 8, 1, 1, true, 1, true},
      {"ties", 3, 16, 128, 8, 4, 2, true, 1, true},
      {"forced", 65, 24, 128, 8, 1, 1, true, 1, false, true},
  };
  Cases list;
  for (const Shape& s : shapes) {
    for (DType d : {DType::f32, DType::bf16}) list.push_back(route(d, s));
  }
  for (const int64_t t : {1, 8, 64, 256, 1024, 8192}) {  // only to be timed
    Case c = route(DType::bf16, {"glm45v", t, kGlm45v.hidden, kGlm45v.experts, kGlm45v.top_k});
    c.small = false;
    sample_rows(c);
    list.push_back(c);
  }
  return list;
}

}  // namespace glmv
