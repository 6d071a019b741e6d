#include "reference/all_cases.h"
#include "reference/core/published.h"
#include "reference/fused.h"
#include "reference/kv_write.h"

namespace glmv {
namespace {

Case write(DType dtype, int64_t page, int64_t pages, const std::vector<int32_t>& slots, int64_t heads, int64_t width) {
  Case c;
  c.name = concat("kv_write/", name_of(dtype), "_T", slots.size(), "_page", page, "_Hkv", heads, "_D", width);
  c.dtype = dtype;
  c.bench = width >= 128;
  c.tokens = static_cast<int64_t>(slots.size());
  c.bytes = 4.0 * static_cast<double>(c.tokens * heads * width) * static_cast<double>(size_of(dtype));
  c.has = [](const OpTable& t) { return static_cast<bool>(t.kv_write); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const auto tokens = static_cast<int64_t>(slots.size());
    const KvWriteArgs a{r.input("k", {tokens, heads, width}), r.input("v", {tokens, heads, width}),
                        r.ids("slots", slots), r.in_place("k_pages", {pages, page, heads, width}),
                        r.in_place("v_pages", {pages, page, heads, width})};
    return [=, &ops](Exec e) { ops.kv_write(a, e); };
  };
  return c;
}

struct Heads {
  int64_t query, kv, width, pairs;
};

/// Tokens 0, 1 .. go to slots 2, 5, 8 .. of pages of four.
Case rope_and_write(DType dtype, Pairing pairing, Rounding rounding, int64_t tokens, Heads h) {
  Case c;
  c.name = concat("fused_rope_kv_write/", pairing == Pairing::half_split ? "half_split" : "even_odd", '_',
                  name_of(dtype), dtype == DType::f32 ? "" : concat('_', name_of(rounding)), "_T", tokens, "_heads",
                  h.query, '_', h.kv, "_D", h.width, "_J", h.pairs);
  c.dtype = dtype;
  c.bench = h.query >= 96;
  c.tokens = tokens;
  c.flops = 6.0 * static_cast<double>(tokens * (h.query + h.kv) * h.pairs);
  c.bytes =
      static_cast<double>(tokens * (4 * h.query * h.pairs + 4 * h.kv * h.width)) * static_cast<double>(size_of(dtype));
  c.has = [](const OpTable& t) { return static_cast<bool>(t.fused_rope_kv_write); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const DType table = rounding == Rounding::hf && dtype == DType::bf16 ? DType::bf16 : DType::f32;
    std::vector<int32_t> slots;
    for (int64_t t = 0; t < tokens; ++t) slots.push_back(static_cast<int32_t>(3 * t + 2));
    FusedRopeKvWriteArgs a;
    a.q = r.in_place("q", {tokens, h.query, h.width});
    a.k = r.input("k", {tokens, h.kv, h.width});
    a.v = r.input("v", {tokens, h.kv, h.width});
    a.cos = r.fixed("cos", table, {tokens, h.pairs});
    a.sin = r.fixed("sin", table, {tokens, h.pairs});
    a.pairing = pairing;
    r.argument("pairing", pairing == Pairing::half_split ? "half_split" : "even_odd");
    a.rounding = r.scalar("rounding", rounding);
    a.slots = r.ids("slots", slots);
    a.k_pages = r.in_place("k_pages", {tokens, 4, h.kv, h.width});
    a.v_pages = r.in_place("v_pages", {tokens, 4, h.kv, h.width});
    return [=, &ops](Exec e) { ops.fused_rope_kv_write(a, e); };
  };
  return c;
}

}  // namespace

Cases kv_write_cases() {
  Cases list;
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(write(d, 8, 1, {0}, 1, 8));
    list.push_back(write(d, 8, 1, {3, 1}, 1, 5));
    list.push_back(write(d, 4, 3, {0, 1, 2, 3, 8, 9, 4}, 2, 16));
    list.push_back(write(d, 64, 2, {63, 64, 65}, 8, 128));
  }
  for (Pairing p : {Pairing::half_split, Pairing::even_odd}) {
    for (const Heads& h : {Heads{3, 1, 20, 10}, Heads{12, 2, 16, 8}, Heads{96, 8, 128, 32}}) {
      list.push_back(rope_and_write(DType::f32, p, Rounding::hf, 3, h));
      list.push_back(rope_and_write(DType::bf16, p, Rounding::hf, 3, h));
      list.push_back(rope_and_write(DType::bf16, p, Rounding::once, 1, h));
    }
  }
  for (const int64_t t : {1, 8, 64, 256, 1024}) {  // only to be timed
    list.push_back(rope_and_write(DType::bf16, Pairing::half_split, Rounding::hf, t,
                                  {kGlm45v.heads, kGlm45v.kv_heads, kGlm45v.width, kGlm45v.rotary_pairs}));
    list.back().small = false;
  }
  return list;
}

}  // namespace glmv
