#include "reference/all_cases.h"
#include "reference/linear.h"

namespace glmv {
namespace {

struct Shape {
  int64_t tokens, n, k;
};

Case product(const char* what, DType dtype, Shape s, bool bias, Format format = Format::plain, bool small = true) {
  Case c;
  c.name = concat("linear/", what, '_', name_of(dtype), format == Format::plain ? "" : "_fp8", bias ? "_bias" : "",
                  "_T", s.tokens, "_N", s.n, "_K", s.k);
  c.dtype = dtype;
  c.small = small;
  c.bench = !small;
  c.sum_length = s.k;
  c.flops = 2.0 * static_cast<double>(s.tokens * s.n * s.k);
  c.bytes = static_cast<double>(s.n * s.k) * (format == Format::plain ? 2 : 1) +
            static_cast<double>(s.tokens * (s.n + s.k)) * static_cast<double>(size_of(dtype));
  c.has = [](const OpTable& t) { return static_cast<bool>(t.linear); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    LinearArgs a;
    a.x = r.input("x", {s.tokens, s.k});
    a.w = r.weight("w", s.n, s.k, format);
    if (bias) a.bias = r.fixed("bias", DType::bf16, {s.n}, {0.2, 0});
    a.out = r.output("out", {s.tokens, s.n});
    return [=, &ops](Exec e) { ops.linear(a, e); };
  };
  return c;
}

/// Rows of x that do not lie side by side, as a slice of fused projections has them.
Case strided(DType dtype) {
  Case c = product("strided", dtype, {5, 12, 20}, true);
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    LinearArgs a;
    a.x = slice(r.input("wide", {5, 50}), 1, 20, 40);
    r.argument("x", "wide[:, 20:40]");
    a.w = r.weight("w", 12, 20);
    a.bias = r.fixed("bias", DType::bf16, {12}, {0.2, 0});
    a.out = r.output("out", {5, 12});
    return [=, &ops](Exec e) { ops.linear(a, e); };
  };
  return c;
}

}  // namespace

Cases linear_cases() {
  Cases list;
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(product("decode", d, {1, 24, 40}, true));
    list.push_back(product("decode", d, {1, 17, 1000}, false));
    list.push_back(product("few", d, {7, 33, 65}, true));
    list.push_back(product("prefill", d, {65, 70, 130}, false));
    list.push_back(product("wide", d, {3, 8, 4097}, true));
    list.push_back(product("prefill", d, {33, 16, 64}, true, Format::fp8_per_row));
    list.push_back(product("decode", d, {1, 16, 64}, false, Format::fp8_per_row));
    list.push_back(strided(d));
    list.push_back(product("qkv", d, {1, 14336, 4096}, true, Format::plain, false));
    list.push_back(product("o_proj", d, {16, 4096, 12288}, false, Format::plain, false));
    list.push_back(product("dense_mlp", d, {64, 10944, 4096}, false, Format::plain, false));
  }
  return list;
}

}  // namespace glmv
