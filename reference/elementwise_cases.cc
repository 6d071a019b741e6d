#include "reference/add.h"
#include "reference/all_cases.h"
#include "reference/core/published.h"
#include "reference/gelu.h"
#include "reference/silu_mul.h"

namespace glmv {
namespace {

/// `numbers` per element read or written, `flops` per element.
void count(Case& c, int64_t tokens, int64_t width, double numbers, double flops) {
  const auto elements = static_cast<double>(tokens * width);
  c.tokens = tokens;
  c.flops = flops * elements;
  c.bytes = numbers * elements * static_cast<double>(size_of(c.dtype));
}

Case sum(DType dtype, int64_t tokens, int64_t width) {
  Case c;
  c.name = concat("add/", name_of(dtype), "_T", tokens, "_H", width);
  c.dtype = dtype;
  c.bench = width >= 4096;
  count(c, tokens, width, 3, 1);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.add); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(tokens);
    const TensorView a = r.in_place("a", rows, {width});
    const AddArgs args{a, r.input("b", rows, {width}), a};
    return [=, &ops](Exec e) { ops.add(args, e); };
  };
  return c;
}

Case gelu_of(DType dtype, int64_t tokens, int64_t width) {
  Case c;
  c.name = concat("gelu/", name_of(dtype), "_T", tokens, "_H", width);
  c.dtype = dtype;
  c.bench = width >= 4096;
  count(c, tokens, width, 2, 10);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.gelu); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(tokens);
    const GeluArgs a{r.input("x", rows, {width}, {6, 0}), r.output("out", rows, {width})};
    return [=, &ops](Exec e) { ops.gelu(a, e); };
  };
  return c;
}

/// gate and up are the halves of one tensor, as a fused projection leaves them.
Case silu(DType dtype, Rounding rounding, int64_t tokens, int64_t width) {
  Case c;
  c.name = concat("silu_mul/", name_of(dtype), dtype == DType::f32 ? "" : concat('_', name_of(rounding)), "_T", tokens,
                  "_F", width);
  c.dtype = dtype;
  c.bench = width >= 1024;
  count(c, tokens, width, 3, 5);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.silu_mul); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(tokens);
    r.input("gate_up", rows, {2 * width}, {8, 0});
    const SiluMulArgs a{r.part("gate", "gate_up", 0, width), r.part("up", "gate_up", width, 2 * width),
                        r.output("out", rows, {width}), r.scalar("rounding", rounding)};
    return [=, &ops](Exec e) { ops.silu_mul(a, e); };
  };
  return c;
}

}  // namespace

Cases elementwise_cases() {
  Cases list;
  for (DType d : {DType::f32, DType::bf16}) {
    for (const auto& [tokens, width] : {std::pair{1, 8}, {7, 33}, {3, 4096}}) {
      list.push_back(sum(d, tokens, width));
      list.push_back(gelu_of(d, tokens, width));
      list.push_back(silu(d, Rounding::hf, tokens, width));
      if (d == DType::bf16) list.push_back(silu(d, Rounding::once, tokens, width));
    }
  }
  for (const int64_t t : {1, 8, 64, 256, 1024, 8192}) {  // only to be timed
    for (Case c : {sum(DType::bf16, t, kGlm45v.hidden), silu(DType::bf16, Rounding::hf, t, kGlm45v.dense_ffn)}) {
      c.small = false;
      sample_rows(c);
      list.push_back(c);
    }
  }
  return list;
}

}  // namespace glmv
