#include "reference/all_cases.h"
#include "reference/core/published.h"
#include "reference/fused.h"
#include "reference/layernorm.h"
#include "reference/rmsnorm.h"

namespace glmv {
namespace {

constexpr float kEps = 1e-5f;

std::string title(const char* op, DType dtype, Rounding rounding, int64_t tokens, int64_t width) {
  return concat(op, '/', name_of(dtype), dtype == DType::f32 ? "" : concat('_', name_of(rounding)), "_T", tokens, "_H",
                width);
}

/// "_f16_weight", or nothing for the type that the model's have.
std::string stored_as(const char* what, DType dtype) {
  return dtype == DType::bf16 ? "" : concat('_', name_of(dtype), '_', what);
}

Case rms(DType dtype, Rounding rounding, int64_t tokens, int64_t width, bool in_place = false,
         DType weight = DType::bf16) {
  Case c;
  c.name =
      title(in_place ? "rmsnorm/in_place" : "rmsnorm", dtype, rounding, tokens, width) + stored_as("weight", weight);
  c.dtype = dtype;
  c.bench = width >= 4096;
  c.flops = 4.0 * static_cast<double>(tokens * width);
  c.bytes = 2.0 * static_cast<double>(tokens * width) * static_cast<double>(size_of(dtype));
  c.tokens = tokens;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.rmsnorm); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(tokens);
    const TensorView x = in_place ? r.in_place("x", rows, {width}, {2, 0.3}) : r.input("x", rows, {width}, {2, 0.3});
    const TensorView out = in_place ? x : r.output("out", rows, {width});
    const RmsNormArgs a{x, r.fixed("weight", weight, {width}, {0.3, 1}), r.scalar("eps", kEps), out,
                        r.scalar("rounding", rounding)};
    return [=, &ops](Exec e) { ops.rmsnorm(a, e); };
  };
  return c;
}

Case layer(DType dtype, int64_t tokens, int64_t width, DType weight = DType::bf16, DType bias = DType::bf16) {
  Case c;
  c.name = concat("layernorm/", name_of(dtype), "_T", tokens, "_H", width, stored_as("weight", weight),
                  stored_as("bias", bias));
  c.dtype = dtype;
  c.bench = width >= 4096;
  c.flops = 7.0 * static_cast<double>(tokens * width);
  c.bytes = 2.0 * static_cast<double>(tokens * width) * static_cast<double>(size_of(dtype));
  c.tokens = tokens;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.layernorm); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const LayerNormArgs a{r.input("x", {tokens, width}, {1, 0.5}), r.fixed("weight", weight, {width}, {0.3, 1}),
                          r.fixed("bias", bias, {width}, {0.2, 0}), r.scalar("eps", kEps),
                          r.output("out", {tokens, width})};
    return [=, &ops](Exec e) { ops.layernorm(a, e); };
  };
  return c;
}

Case fused(DType dtype, Rounding rounding, int64_t tokens, int64_t width) {
  Case c;
  c.name = title("fused_add_rmsnorm", dtype, rounding, tokens, width);
  c.dtype = dtype;
  c.bench = width >= 4096;
  c.flops = 5.0 * static_cast<double>(tokens * width);
  c.bytes = 4.0 * static_cast<double>(tokens * width) * static_cast<double>(size_of(dtype));
  c.tokens = tokens;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.fused_add_rmsnorm); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(tokens);
    const FusedAddRmsNormArgs a{r.in_place("residual", rows, {width}),
                                r.input("delta", rows, {width}),
                                r.fixed("weight", DType::bf16, {width}, {0.3, 1}),
                                r.scalar("eps", kEps),
                                r.output("out", rows, {width}),
                                r.scalar("rounding", rounding)};
    return [=, &ops](Exec e) { ops.fused_add_rmsnorm(a, e); };
  };
  return c;
}

}  // namespace

Cases norm_cases() {
  Cases list;
  const auto add = [&](DType d, Rounding rounding) {
    for (const auto& [tokens, width] : {std::pair{1, 8}, {7, 33}, {64, 128}, {3, 4096}, {2, 8192}, {2, 8200}}) {
      list.push_back(rms(d, rounding, tokens, width));
      list.push_back(fused(d, rounding, tokens, width));
    }
    list.push_back(rms(d, rounding, 5, 24, true));
  };
  add(DType::f32, Rounding::hf);
  add(DType::bf16, Rounding::hf);
  add(DType::bf16, Rounding::once);
  for (DType d : {DType::f32, DType::bf16}) {
    for (const auto& [tokens, width] : {std::pair{1, 8}, {7, 33}, {3, 4096}, {2, 8200}})
      list.push_back(layer(d, tokens, width));
    for (const int64_t width : {33, 64}) {
      for (const DType w : {DType::f16, DType::f32}) list.push_back(rms(d, Rounding::once, 3, width, false, w));
      list.push_back(layer(d, 3, width, DType::f16, DType::f32));
      list.push_back(layer(d, 3, width, DType::f32, DType::f16));
    }
  }
  for (const int64_t t : {1, 8, 64, 256, 1024, 8192}) {  // only to be timed
    for (Case c :
         {rms(DType::bf16, Rounding::hf, t, kGlm45v.hidden), fused(DType::bf16, Rounding::hf, t, kGlm45v.hidden)}) {
      c.small = false;
      sample_rows(c);
      list.push_back(c);
    }
  }
  return list;
}

}  // namespace glmv
