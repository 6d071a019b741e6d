#include "reference/all_cases.h"
#include "reference/core/published.h"
#include "reference/mrope.h"

namespace glmv {
namespace {

struct Shape {
  int64_t tokens, heads, width, pairs;
};

Case rotate(DType dtype, Pairing pairing, Rounding rounding, Shape s, bool in_place) {
  Case c;
  c.name = concat("mrope/", pairing == Pairing::half_split ? "half_split" : "even_odd", '_', name_of(dtype),
                  dtype == DType::f32 ? "" : concat('_', name_of(rounding)), in_place ? "_in_place" : "", "_T",
                  s.tokens, "_heads", s.heads, "_D", s.width, "_J", s.pairs);
  c.dtype = dtype;
  c.bench = s.heads >= 96;
  c.flops = 6.0 * static_cast<double>(s.tokens * s.heads * s.pairs);
  // In place only what turns is touched.
  c.bytes = 2.0 * static_cast<double>(s.tokens * s.heads * (in_place ? 2 * s.pairs : s.width)) *
            static_cast<double>(size_of(dtype));
  c.tokens = s.tokens;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.mrope); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    MropeArgs a;
    const TokenRows rows = r.tokens(s.tokens);
    const TensorView x = in_place ? r.in_place("x", rows, {s.heads, s.width}) : r.input("x", rows, {s.heads, s.width});
    a.x = x;
    const DType table = rounding == Rounding::hf && dtype == DType::bf16 ? DType::bf16 : DType::f32;
    a.cos = r.fixed("cos", table, rows, {s.pairs});
    a.sin = r.fixed("sin", table, rows, {s.pairs});
    a.pairing = pairing;
    r.argument("pairing", pairing == Pairing::half_split ? "half_split" : "even_odd");
    a.rounding = r.scalar("rounding", rounding);
    a.out = in_place ? x : r.output("out", rows, {s.heads, s.width});
    return [=, &ops](Exec e) { ops.mrope(a, e); };
  };
  return c;
}

/// Heads that lie between others of a fused projection, turned in place: nothing else may change.
Case between(DType dtype, Pairing pairing) {
  Case c = rotate(dtype, pairing, Rounding::once, {3, 2, 64, 16}, true);
  c.name += "_between";
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    r.in_place("qkv", {3, 6, 64});
    const TensorView x = r.part("x", "qkv", 2, 4);
    const MropeArgs a{
        x, r.fixed("cos", DType::f32, {3, 16}), r.fixed("sin", DType::f32, {3, 16}), pairing, Rounding::once, x};
    r.argument("pairing", pairing == Pairing::half_split ? "half_split" : "even_odd");
    r.scalar("rounding", Rounding::once);
    return [=, &ops](Exec e) { ops.mrope(a, e); };
  };
  return c;
}

}  // namespace

Cases mrope_cases() {
  Cases list;
  for (Pairing p : {Pairing::half_split, Pairing::even_odd}) {
    for (DType d : {DType::f32, DType::bf16}) list.push_back(between(d, p));
    for (const Shape& s : {Shape{1, 1, 8, 2}, Shape{7, 12, 128, 32}, Shape{5, 3, 20, 10}, Shape{4, 96, 128, 32}}) {
      list.push_back(rotate(DType::f32, p, Rounding::once, s, false));
      list.push_back(rotate(DType::bf16, p, Rounding::hf, s, false));
      list.push_back(rotate(DType::bf16, p, Rounding::once, s, true));
    }
  }
  for (const int64_t t : {1, 8, 64, 256, 1024, 8192}) {  // only to be timed: q and k of GLM-4.5V, q of GLM-4.1V
    const auto real = [&](Pairing p, int64_t heads) {
      Case c = rotate(DType::bf16, p, Rounding::hf, {t, heads, kGlm45v.width, kGlm45v.rotary_pairs}, true);
      c.small = false, c.bench = true;
      sample_rows(c);
      list.push_back(c);
    };
    real(Pairing::half_split, kGlm45v.heads);
    real(Pairing::half_split, kGlm45v.kv_heads);
    real(Pairing::even_odd, kGlm41v.heads);
  }
  return list;
}

}  // namespace glmv
