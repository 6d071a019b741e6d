#include "reference/all_cases.h"
#include "reference/sample.h"

namespace glmv {
namespace {

Case greedy(DType dtype, int64_t tokens, int64_t vocabulary, bool ties) {
  Case c;
  c.name = concat("sample/", ties ? "ties_" : "", name_of(dtype), "_T", tokens, "_V", vocabulary);
  c.dtype = dtype;
  c.bench = vocabulary > 100000;
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

}  // namespace

Cases sample_cases() {
  Cases list;
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(greedy(d, 1, 1, false));
    list.push_back(greedy(d, 5, 97, false));
    list.push_back(greedy(d, 4, 30, true));
    list.push_back(greedy(d, 3, 1304, true));
    list.push_back(greedy(d, 1, 151552, false));
  }
  return list;
}

}  // namespace glmv
