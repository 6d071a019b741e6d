#include <cmath>

#include "reference/all_cases.h"
#include "reference/core/cost.h"
#include "reference/core/published.h"
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
  const Cost cost = product_cost(static_cast<double>(s.tokens), static_cast<double>(s.n), static_cast<double>(s.k),
                                 {format == Format::plain ? 2.0 : 1.0, static_cast<double>(size_of(dtype)), 2});
  c.flops = cost.flops, c.bytes = cost.bytes;
  c.tokens = s.tokens;
  if (!small) sample_rows(c);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.linear); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(s.tokens);
    LinearArgs a;
    a.x = r.input("x", rows, {s.k});
    a.w = r.weight("w", s.n, s.k, format);
    if (bias) a.bias = r.fixed("bias", DType::bf16, {s.n}, {0.2, 0});
    a.out = r.output("out", rows, {s.n});
    return [=, &ops](Exec e) { ops.linear(a, e); };
  };
  return c;
}

/// Rows of x that do not lie side by side, as a slice of fused projections has them: columns `begin` to `begin` + K.
Case strided(DType dtype, Shape s, int64_t begin) {
  Case c = product("strided", dtype, s, true);
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    LinearArgs a;
    r.input("wide", {s.tokens, 2 * s.k + begin});
    a.x = r.part("x", "wide", begin, begin + s.k);
    a.w = r.weight("w", s.n, s.k);
    a.bias = r.fixed("bias", DType::bf16, {s.n}, {0.2, 0});
    a.out = r.output("out", {s.tokens, s.n});
    return [=, &ops](Exec e) { ops.linear(a, e); };
  };
  return c;
}

/// 16-bit activations, a result that is not rounded to them: logits.
Case logits(Shape s, const char* what = "f32_out", bool bias = true, bool small = true) {
  Case c = product(what, DType::bf16, s, bias, Format::plain, small);
  c.bytes += 2.0 * static_cast<double>(s.tokens * s.n);  // four bytes each, where an activation has two
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(s.tokens);
    LinearArgs a;
    a.x = r.input("x", rows, {s.k});
    a.w = r.weight("w", s.n, s.k);
    if (bias) a.bias = r.fixed("bias", DType::f32, {s.n}, {0.2, 0});
    a.out = r.output("out", r.exact(), rows, {s.n});
    return [=, &ops](Exec e) { ops.linear(a, e); };
  };
  return c;
}

/// Weights and a bias of other types than the model's.
Case weights_of(DType weight, DType bias, DType dtype, Shape s) {
  Case c = product("", dtype, s, true);
  c.name = concat("linear/", name_of(weight), "_weights_", name_of(bias), "_bias_", name_of(dtype), "_T", s.tokens,
                  "_N", s.n, "_K", s.k);
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    LinearArgs a;
    a.x = r.input("x", {s.tokens, s.k});
    a.w.data = r.fixed("w", weight, {s.n, s.k}, {std::sqrt(3.0 / static_cast<double>(s.k)), 0});
    a.bias = r.fixed("bias", bias, {s.n}, {0.2, 0});
    a.out = r.output("out", {s.tokens, s.n});
    return [=, &ops](Exec e) { ops.linear(a, e); };
  };
  return c;
}

/// Sizes around the tiles of device kernels: 16-byte chunks along K are whole, nothing else is.
void add_ragged(Cases& list) {
  for (int64_t tokens : {1, 2, 3, 4, 7, 17, 65, 130}) {  // FP8 rows are whole 16-byte chunks too
    for (const Shape& s : {Shape{tokens, 37, 48}, Shape{tokens, 136, 336}})
      list.push_back(product("ragged", DType::bf16, s, tokens % 2 == 1, Format::fp8_per_row));
  }
  list.push_back(product("odd", DType::bf16, {5, 40, 72}, true, Format::fp8_per_row));  // and here not
  for (int64_t tokens : {1, 7, 17, 65, 130}) {
    for (int64_t n : {40, 136}) {
      for (int64_t k : {64, 72, 328}) {
        for (bool bias : {false, true}) list.push_back(product("ragged", DType::bf16, {tokens, n, k}, bias));
      }
    }
  }
  for (const Shape& s : {Shape{1, 33, 8}, {7, 33, 64}, {40, 70, 264}, {65, 70, 128}, {130, 65, 8}, {131, 265, 584}})
    list.push_back(product("odd", DType::bf16, s, true));
  for (const Shape& s :
       {Shape{7, 40, 1096}, {13, 72, 2056}, {17, 136, 1032}, {33, 24, 4104}, {7, 37, 1096}})  // a long K for few rows
    list.push_back(product("split", DType::bf16, s, true));
  // More steps than two rounds of any ring of stages.
  list.push_back(product("deep", DType::bf16, {130, 40, 904}, true));
  for (const Shape& s : {Shape{1, 40, 328}, {7, 40, 1096}, {17, 40, 72}, {65, 40, 72}, {7, 37, 72}, {65, 37, 72}})
    list.push_back(logits(s));
}

/// A product of the published model, only to be timed.
Case real(const std::string& what, Shape s, bool bias = false, Format format = Format::plain) {
  return product(what.c_str(), DType::bf16, s, bias, format, false);
}

void add_text(Cases& list) {
  for (const int64_t t : kDecodeTokens) {
    for (const PublishedModel& m : {kGlm45v, kGlm41v, kGlm45vTp2}) {
      const std::string name = m.name;
      list.push_back(real(name + "_qkv", {t, m.qkv_rows(), m.hidden}, true));
      list.push_back(real(name + "_o", {t, m.hidden, m.heads * m.width}));
      list.push_back(real(name + "_dense_gate", {t, m.dense_ffn, m.hidden}));
      list.push_back(real(name + "_dense_down", {t, m.hidden, m.dense_ffn}));
    }
    list.push_back(real("glm45v_qkv", {t, kGlm45v.qkv_rows(), kGlm45v.hidden}, true, Format::fp8_per_row));
    list.push_back(real("glm45v_o", {t, kGlm45v.hidden, kGlm45v.heads * kGlm45v.width}, false, Format::fp8_per_row));
    list.push_back(real("glm45v_shared_gate", {t, kGlm45v.expert_ffn, kGlm45v.hidden}));
    list.push_back(real("glm45v_shared_down", {t, kGlm45v.hidden, kGlm45v.expert_ffn}));
    list.push_back(logits({t, kGlm45v.vocabulary, kGlm45v.hidden}, "glm45v_lm_head", false, false));
  }
  for (const int64_t t : kPrefillTokens) {
    list.push_back(real("glm45v_qkv", {t, kGlm45v.qkv_rows(), kGlm45v.hidden}, true));
    list.push_back(real("glm45v_o", {t, kGlm45v.hidden, kGlm45v.heads * kGlm45v.width}));
  }
}

void add_vision(Cases& list) {
  const PublishedVision& v = kGlmVision;
  for (const int64_t n : kPatches) {
    list.push_back(real("vision_patch_embed", {n, v.hidden, v.patch_numbers}, true));
    list.push_back(real("vision_qkv", {n, 3 * v.hidden, v.hidden}));
    list.push_back(real("vision_o", {n, v.hidden, v.hidden}));
    list.push_back(real("vision_gate_up", {n, 2 * v.ffn, v.hidden}));
    list.push_back(real("vision_down", {n, v.hidden, v.ffn}));
    list.push_back(real("vision_downsample", {n / 4, v.out, 4 * v.hidden}, true));
    list.push_back(real("vision_merger_proj", {n / 4, v.out, v.out}));
    list.push_back(real("vision_merger_gate_up", {n / 4, 2 * v.merger_ffn, v.out}));
    list.push_back(real("vision_merger_down", {n / 4, v.out, v.merger_ffn}));
  }
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
    list.push_back(strided(d, {5, 12, 20}, 20));
    list.push_back(strided(d, {5, 12, 40}, 16));
    list.push_back(strided(d, {66, 12, 40}, 16));
    list.push_back(product("qkv", d, {1, 14336, 4096}, true, Format::plain, false));
    list.push_back(product("o_proj", d, {16, 4096, 12288}, false, Format::plain, false));
    list.push_back(product("dense_mlp", d, {64, 10944, 4096}, false, Format::plain, false));
    list.push_back(product("o_proj", d, {16, 4096, 12288}, false, Format::fp8_per_row, false));
  }
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(weights_of(DType::f16, DType::f16, d, {7, 24, 40}));
    list.push_back(weights_of(DType::f32, DType::f32, d, {3, 24, 40}));
    list.push_back(weights_of(DType::bf16, DType::f16, d, {9, 24, 40}));
  }
  add_ragged(list);
  add_text(list);
  add_vision(list);
  return list;
}

}  // namespace glmv
