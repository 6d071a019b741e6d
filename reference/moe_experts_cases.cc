#include <algorithm>

#include "reference/all_cases.h"
#include "reference/core/cost.h"
#include "reference/core/published.h"
#include "reference/moe_experts.h"

namespace glmv {
namespace {

enum class Spread : uint8_t {
  even,       ///< tokens use all experts
  one,        ///< every token's first choice is expert 0
  some_idle,  ///< only the first K + 1 experts are used
  unsorted,   ///< even, and a token's ids descend
  uniform,    ///< drawn, every expert as likely as another
  skewed,     ///< drawn, but every token goes to expert 5 and none to expert 7: a token's experts are distinct, so with
              ///< top-8 no expert can have more than an eighth of the rows
};

struct Shape {
  const char* what;
  int64_t tokens, width, ffn, experts, k;
  Spread spread = Spread::even;
  Format format = Format::plain;
};

/// Distinct experts of one token, drawn by a hash of token and place.
std::vector<int32_t> drawn(const Shape& s, int64_t token) {
  std::vector<int32_t> row;
  const uint64_t hash = procedural_hash(concat("routing of token ", token));
  for (uint64_t i = 0; static_cast<int64_t>(row.size()) < s.k; ++i) {
    auto expert = static_cast<int32_t>(procedural_unit(hash, i) * static_cast<double>(s.experts));
    if (s.spread == Spread::skewed && i == 0) expert = 5;
    if (s.spread == Spread::skewed && expert == 7) continue;
    if (std::find(row.begin(), row.end(), expert) == row.end()) row.push_back(expert);
  }
  std::sort(row.begin(), row.end());
  return row;
}

/// Ids of each token, ascending unless said otherwise.
std::vector<int32_t> choice(const Shape& s) {
  std::vector<int32_t> ids;
  if (s.spread == Spread::uniform || s.spread == Spread::skewed) {
    for (int64_t t = 0; t < s.tokens; ++t) {
      const std::vector<int32_t> row = drawn(s, t);
      ids.insert(ids.end(), row.begin(), row.end());
    }
    return ids;
  }
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

/// Which experts have rows; counts them in the case.
std::vector<bool> count_rows(const std::vector<int32_t>& ids, int64_t experts, Case& c) {
  std::vector<int64_t> rows(static_cast<size_t>(experts), 0);
  for (const int32_t e : ids) ++rows[static_cast<size_t>(e)];
  std::vector<bool> used;
  for (const int64_t n : rows) {
    used.push_back(n > 0);
    c.experts_touched += n > 0 ? 1 : 0;
    c.most_rows = std::max(c.most_rows, n);
  }
  return used;
}

Case run_experts(DType dtype, Rounding rounding, Shape s) {
  Case c;
  c.name = concat("moe_experts/", s.what, '_', name_of(dtype),
                  dtype == DType::f32 ? "" : concat('_', name_of(rounding)), s.format == Format::plain ? "" : "_fp8",
                  "_T", s.tokens, "_H", s.width, "_F", s.ffn, "_E", s.experts, "_K", s.k);
  c.dtype = dtype;
  c.bench = s.width >= 1024;
  c.tokens = s.tokens;
  const std::vector<int32_t> ids = choice(s);
  const std::vector<bool> used = count_rows(ids, s.experts, c);
  const Cost cost =
      experts_cost(static_cast<double>(s.tokens), static_cast<double>(s.k), static_cast<double>(c.experts_touched),
                   static_cast<double>(s.width), static_cast<double>(s.ffn),
                   {s.format == Format::plain ? 2.0 : 1.0, static_cast<double>(size_of(dtype)), 2});
  c.flops = cost.flops, c.bytes = cost.bytes;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.moe_experts); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(s.tokens);
    MoeExpertsArgs a;
    a.x = r.input("x", rows, {s.width});
    a.ids = r.ids("ids", rows.pick(ids, s.k), {rows.count(), s.k});
    std::vector<double> weights;
    for (int64_t i = 0; i < s.tokens * s.k; ++i) weights.push_back(0.125 + 0.0625 * static_cast<double>(i % 7));
    a.weights = r.values("weights", r.exact(), rows.pick(weights, s.k), {rows.count(), s.k});
    a.experts = r.experts(s.experts, s.ffn, s.width, s.format, used);
    a.out = r.output("out", rows, {s.width});
    a.rounding = r.scalar("rounding", rounding);
    return [=, &ops](Exec e) { ops.moe_experts(a, e); };
  };
  return c;
}

/// Only to be timed: bf16 with the model's rounding points.
Case real(const std::string& what, int64_t tokens, const PublishedModel& m, Spread spread,
          Format format = Format::plain) {
  Case c = run_experts(DType::bf16, Rounding::hf,
                       {what.c_str(), tokens, m.hidden, m.expert_ffn, m.experts, m.top_k, spread, format});
  c.small = false;
  sample_rows(c);
  return c;
}

void add_real(Cases& list) {
  for (const int64_t t : {1, 8, 64, 256, 1024, 8192}) {
    list.push_back(real("glm45v_uniform", t, kGlm45v, Spread::uniform));
    if (t <= 256) list.push_back(real("glm45v_uniform", t, kGlm45v, Spread::uniform, Format::fp8_per_row));
    if (t > 1 && t <= 1024) list.push_back(real("glm45v_skewed", t, kGlm45v, Spread::skewed));
  }
  for (const int64_t t : {1, 64}) {
    list.push_back(real("glm45v_tp2_uniform", t, kGlm45vTp2, Spread::uniform));
    list.push_back(real("glm45v_ep2_uniform", t, kGlm45vEp2, Spread::uniform));
  }
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
  add_real(list);
  return list;
}

}  // namespace glmv
