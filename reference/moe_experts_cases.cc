#include <algorithm>

#include "reference/all_cases.h"
#include "reference/moe_experts.h"

namespace glmv {
namespace {

enum class Spread : uint8_t {
  even,       ///< tokens use all experts
  one,        ///< every token's first choice is expert 0
  some_idle,  ///< only the first K + 1 experts are used
  unsorted,   ///< even, and a token's ids descend
};

struct Shape {
  const char* what;
  int64_t tokens, width, ffn, experts, k;
  Spread spread = Spread::even;
  Format format = Format::plain;
};

/// Ids of each token, ascending unless said otherwise.
std::vector<int32_t> choice(const Shape& s) {
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < s.tokens; ++t) {
    std::vector<int32_t> row;
    for (int64_t k = 0; k < s.k; ++k) {
      const int64_t among = s.spread == Spread::some_idle ? s.k + 1 : s.experts;
      const int64_t start = s.spread == Spread::one ? 0 : t;
      row.push_back(static_cast<int32_t>((start + k) % among));
    }
    std::sort(row.begin(), row.end());
    if (s.spread == Spread::unsorted) std::reverse(row.begin(), row.end());
    ids.insert(ids.end(), row.begin(), row.end());
  }
  return ids;
}

Case run_experts(DType dtype, Rounding rounding, Shape s) {
  Case c;
  c.name = concat("moe_experts/", s.what, '_', name_of(dtype),
                  dtype == DType::f32 ? "" : concat('_', name_of(rounding)), s.format == Format::plain ? "" : "_fp8",
                  "_T", s.tokens, "_H", s.width, "_F", s.ffn, "_E", s.experts, "_K", s.k);
  c.dtype = dtype;
  c.bench = s.width >= 1024;
  c.flops = 6.0 * static_cast<double>(s.tokens * s.k * s.width * s.ffn);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.moe_experts); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    MoeExpertsArgs a;
    a.x = r.input("x", {s.tokens, s.width});
    a.ids = r.ids("ids", choice(s), {s.tokens, s.k});
    std::vector<double> weights;
    for (int64_t i = 0; i < s.tokens * s.k; ++i) weights.push_back(0.125 + 0.0625 * static_cast<double>(i % 7));
    a.weights = r.values("weights", r.exact(), weights, {s.tokens, s.k});
    a.experts = r.experts(s.experts, s.ffn, s.width, s.format);
    a.out = r.output("out", {s.tokens, s.width});
    a.rounding = r.scalar("rounding", rounding);
    return [=, &ops](Exec e) { ops.moe_experts(a, e); };
  };
  return c;
}

}  // namespace

Cases moe_experts_cases() {
  const std::vector<Shape> shapes = {
      {"decode", 1, 32, 24, 8, 2},
      {"prefill", 9, 40, 24, 12, 3},
      {"prefill", 33, 64, 22, 16, 8},
      {"one_expert_takes_all", 7, 24, 20, 6, 2, Spread::one},
      {"idle_experts", 6, 24, 20, 9, 2, Spread::some_idle},
      {"prefill", 5, 32, 16, 4, 2, Spread::even, Format::fp8_per_row},
      {"wide", 2, 1024, 352, 8, 2},
      // What a tuned kernel may do differently: few tokens without sorting, tiles for few, some and many rows per
      // expert, each with rests in every direction, and sums of more steps than a pipeline has stages.
      {"decode", 1, 64, 48, 128, 8},
      {"decode_unsorted", 2, 40, 24, 128, 8, Spread::unsorted},
      {"top8_of_128", 17, 72, 40, 128, 8},
      {"top8_of_128", 65, 32, 16, 128, 8},
      {"deep", 9, 712, 392, 6, 2},
      {"some_rows", 65, 136, 72, 4, 2},
      {"many_rows", 150, 72, 136, 2, 2},
      {"many_rows", 133, 264, 40, 2, 2},
      {"one_expert_takes_all", 65, 64, 32, 8, 1, Spread::one},
      {"idle_experts", 17, 32, 24, 40, 3, Spread::some_idle},
      {"unsorted", 17, 40, 24, 12, 4, Spread::unsorted},
      {"decode", 1, 64, 48, 8, 2, Spread::even, Format::fp8_per_row},
      {"some_rows", 65, 144, 80, 4, 2, Spread::even, Format::fp8_per_row},
      {"many_rows", 130, 80, 144, 2, 2, Spread::even, Format::fp8_per_row},
  };
  Cases list;
  for (const Shape& s : shapes) {
    list.push_back(run_experts(DType::f32, Rounding::hf, s));
    list.push_back(run_experts(DType::bf16, Rounding::hf, s));
    list.push_back(run_experts(DType::bf16, Rounding::once, s));
  }
  return list;
}

}  // namespace glmv
