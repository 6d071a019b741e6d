#include <algorithm>
#include <limits>

#include "reference/all_cases.h"
#include "reference/core/published.h"
#include "reference/sample.h"

namespace glmv {
namespace {

Case greedy(DType dtype, int64_t tokens, int64_t vocabulary, bool ties) {
  Case c;
  c.name = concat("sample/", ties ? "ties_" : "", name_of(dtype), "_T", tokens, "_V", vocabulary);
  c.dtype = dtype;
  c.bench = vocabulary > 100000;
  c.tokens = tokens;
  c.flops = static_cast<double>(tokens * vocabulary);
  c.bytes = c.flops * static_cast<double>(size_of(dtype));
  c.has = [](const OpTable& t) { return static_cast<bool>(t.sample); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    std::vector<double> logits;
    for (int64_t i = 0; i < tokens * vocabulary; ++i) logits.push_back(i % vocabulary % 3 == 2 ? 4.0 : -1.0);
    const SampleArgs a{ties ? r.values("logits", r.activation(), logits, {tokens, vocabulary})
                            : r.input("logits", {tokens, vocabulary}, {20, 0}),
                       r.output("ids", DType::i32, {tokens}, Judge::exact)};
    return [=, &ops](Exec e) { ops.sample(a, e); };
  };
  return c;
}

/// Row 0 is fine though it has minus infinities, row 1 has a NaN, row 2 an infinity, row 3 rules every token out.
Case broken(DType dtype) {
  Case c;
  c.name = concat("sample/broken_rows_", name_of(dtype), "_T4_V40");
  c.dtype = dtype;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.sample); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    constexpr int64_t kTokens = 40;
    const double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> logits(4 * kTokens, -2.0);
    for (int64_t v = 0; v < kTokens; v += 2) logits[v] = -infinity;
    logits[33] = 5;
    logits[kTokens + 37] = std::numeric_limits<double>::quiet_NaN();
    logits[2 * kTokens + 3] = infinity;
    std::fill(logits.end() - kTokens, logits.end(), -infinity);
    const SampleArgs a{r.values("logits", r.activation(), logits, {4, kTokens}),
                       r.output("ids", DType::i32, {4}, Judge::exact)};
    return [=, &ops](Exec e) { ops.sample(a, e); };
  };
  return c;
}

}  // namespace

Cases sample_cases() {
  Cases list;
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(greedy(d, 1, 1, false));
    list.push_back(greedy(d, 5, 97, false));
    list.push_back(greedy(d, 4, 30, true));
    list.push_back(greedy(d, 3, 1304, true));
    list.push_back(greedy(d, 1, 151552, false));
    list.push_back(broken(d));
  }
  for (const int64_t t : {8, 64, 256}) {  // only to be timed
    list.push_back(greedy(DType::f32, t, kGlm45v.vocabulary, false));
    list.back().small = false;
  }
  return list;
}

}  // namespace glmv
