#include <cmath>

#include "reference/all_cases.h"
#include "reference/rope_table.h"

namespace glmv {
namespace {

Case table(const char* what, int64_t axes, int64_t tokens, int64_t pairs, int32_t first, DType out) {
  Case c;
  c.name = concat("rope_table/", what, '_', name_of(out), "_T", tokens, "_J", pairs, "_from", first);
  c.dtype = out;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.rope_table); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    std::vector<int32_t> positions, axis;
    for (int64_t a = 0; a < axes; ++a) {
      for (int64_t t = 0; t < tokens; ++t) positions.push_back(first + static_cast<int32_t>(t + 3 * a));
    }
    std::vector<double> frequencies;
    for (int64_t j = 0; j < pairs; ++j) {
      axis.push_back(static_cast<int32_t>(j * axes / pairs));
      frequencies.push_back(std::pow(1e4, -static_cast<double>(j) / static_cast<double>(pairs)));
    }
    // The model defines angles and tables in f32, so they are f32 in a gold run too.
    const DType stored = r.activation() == DType::f64 ? DType::f32 : r.activation();
    const RopeTableArgs a{r.ids("positions", positions, {axes, tokens}),
                          r.values("inv_freq", DType::f32, frequencies, {pairs}), r.ids("axis", axis),
                          r.output("cos", stored, {tokens, pairs}), r.output("sin", stored, {tokens, pairs})};
    return [=, &ops](Exec e) { ops.rope_table(a, e); };
  };
  return c;
}

}  // namespace

Cases rope_table_cases() {
  return {table("text", 3, 1, 32, 0, DType::f32), table("text", 3, 7, 8, 60000, DType::f32),
          table("text", 3, 19, 32, 131000, DType::bf16), table("vision", 2, 24, 64, 0, DType::f32),
          table("vision", 2, 5, 12, 400, DType::f32)};
}

}  // namespace glmv
