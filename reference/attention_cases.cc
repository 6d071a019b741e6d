#include <algorithm>
#include <cmath>

#include "reference/all_cases.h"
#include "reference/attention.h"

namespace glmv {
namespace {

/// One sequence: its queries are the last ones of its keys.
struct Sequence {
  int32_t queries, keys;
};

struct Shape {
  const char* what;
  std::vector<Sequence> sequences;
  int64_t heads, kv_heads, width;
  int64_t page;
  Mask mask = Mask::causal;
};

/// Pages are dealt out last to first, so that a kernel that ignores the table reads other keys.
struct Pages {
  std::vector<int32_t> table;
  int64_t columns = 1, count = 0;
};
Pages deal(const Shape& s) {
  Pages p;
  for (const Sequence& q : s.sequences) {
    const int64_t n = (q.keys + s.page - 1) / s.page;
    p.columns = std::max(p.columns, n);
    p.count += n;
  }
  auto next = static_cast<int32_t>(p.count);
  for (const Sequence& q : s.sequences) {
    const int64_t n = (q.keys + s.page - 1) / s.page;
    for (int64_t i = 0; i < p.columns; ++i) p.table.push_back(i < n ? --next : 0);
  }
  p.count = std::max<int64_t>(p.count, 1);
  return p;
}

double visible_pairs(const Shape& s) {
  double pairs = 0;
  for (const Sequence& q : s.sequences) {
    pairs +=
        s.mask == Mask::full ? 1.0 * q.queries * q.keys : 1.0 * q.queries * q.keys - q.queries * (q.queries - 1) / 2.0;
  }
  return pairs;
}

Case attend(DType dtype, Rounding rounding, Shape s) {
  Case c;
  c.name = concat("attention/", s.what, '_', name_of(dtype), dtype == DType::f32 ? "" : concat('_', name_of(rounding)),
                  "_T", s.sequences[0].queries, "_S", s.sequences[0].keys, "_B", s.sequences.size(), "_heads", s.heads,
                  '_', s.kv_heads, "_D", s.width, "_page", s.page);
  c.dtype = dtype;
  c.bench = s.heads >= 96 || (s.mask == Mask::full && s.width == 128);
  c.flops = 4.0 * visible_pairs(s) * static_cast<double>(s.heads * s.width);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.attention); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    std::vector<int32_t> cu = {0}, lengths;
    for (const Sequence& q : s.sequences) {
      cu.push_back(cu.back() + q.queries);
      lengths.push_back(q.keys);
    }
    const Pages pages = deal(s);
    AttentionArgs a;
    a.q = r.input("q", {cu.back(), s.heads, s.width}, {3, 0});
    a.kv.k_pages = r.input("k_pages", {pages.count, s.page, s.kv_heads, s.width}, {3, 0});
    a.kv.v_pages = r.input("v_pages", {pages.count, s.page, s.kv_heads, s.width});
    a.kv.page_table = r.ids("page_table", pages.table, {static_cast<int64_t>(lengths.size()), pages.columns});
    a.kv.lengths = r.ids("lengths", lengths);
    a.scale = r.scalar("scale", 1 / std::sqrt(static_cast<float>(s.width)));
    a.mask = s.mask;
    r.argument("mask", s.mask == Mask::causal ? "causal" : "full");
    a.cu_seqlens = r.ids("cu_seqlens", cu);
    a.out = r.output("out", {cu.back(), s.heads, s.width});
    a.rounding = r.scalar("rounding", rounding);
    return [=, &ops](Exec e) { ops.attention(a, e); };
  };
  return c;
}

}  // namespace

Cases attention_cases() {
  const std::vector<Shape> shapes = {
      {"prefill", {{1, 1}}, 2, 1, 8, 8},
      {"prefill", {{7, 7}}, 12, 1, 16, 16},
      {"prefill", {{33, 33}}, 12, 1, 128, 64},
      {"prefill", {{19, 19}}, 16, 1, 64, 19},
      {"chunk", {{5, 70}}, 12, 1, 32, 64},
      {"chunk", {{16, 131}}, 24, 2, 128, 64},
      {"decode", {{1, 65}}, 12, 1, 128, 64},
      {"decode", {{1, 200}}, 6, 2, 16, 200},
      {"batch", {{3, 9}, {1, 17}, {0, 5}, {4, 4}}, 4, 2, 16, 4},
      {"vision", {{24, 24}}, 3, 3, 128, 1, Mask::full},
      {"vision", {{6, 6}, {8, 8}, {1, 1}}, 4, 4, 12, 1, Mask::full},
      {"odd_width", {{5, 11}}, 3, 1, 20, 3},
      {"real", {{8, 40}}, 96, 8, 128, 64},
      // What kernels get wrong: ends of pages and tiles, both ratios, unequal and empty sequences, splits without keys.
      {"chunk", {{9, 75}}, 16, 1, 128, 64},
      {"chunk", {{11, 400}}, 12, 1, 128, 64},
      {"chunk", {{20, 135}}, 12, 1, 64, 64},
      {"chunk", {{80, 173}}, 12, 1, 64, 64},
      {"chunk", {{3, 70}}, 24, 1, 32, 16},
      {"prefill", {{70, 70}, {13, 13}}, 12, 1, 16, 16},
      {"chunk", {{6, 21}, {30, 30}, {0, 7}, {11, 150}}, 6, 2, 32, 16},
      {"prefill", {{10, 10}}, 6, 2, 96, 16},
      {"decode", {{1, 1}}, 12, 1, 128, 64},
      {"decode", {{1, 63}}, 12, 1, 128, 64},
      {"decode", {{1, 64}}, 12, 1, 128, 64},
      {"decode", {{1, 64}}, 16, 1, 128, 64},
      {"decode", {{1, 129}}, 32, 2, 128, 64},
      {"decode", {{1, 600}}, 12, 1, 128, 64},
      {"decode", {{1, 600}}, 16, 1, 64, 128},
      {"decode", {{3, 260}}, 12, 1, 64, 64},
      {"decode", {{1, 1}, {1, 300}, {1, 64}, {1, 130}}, 12, 1, 128, 64},
      {"decode", {{1, 20}, {0, 5}, {1, 64}, {0, 0}, {2, 33}}, 12, 1, 16, 16},
      {"decode", {{4, 300}, {2, 2}, {3, 128}}, 3, 1, 32, 16},
      {"vision", {{1, 1}, {64, 64}, {65, 65}}, 2, 2, 128, 1, Mask::full},
      {"vision", {{64, 64}, {64, 64}, {20, 20}}, 2, 2, 64, 1, Mask::full},
      {"vision", {{1, 1}, {2, 2}}, 2, 2, 16, 1, Mask::full},
      {"nothing", {{0, 5}}, 12, 1, 16, 16},
  };
  Cases list;
  for (const Shape& s : shapes) {
    list.push_back(attend(DType::f32, Rounding::hf, s));
    list.push_back(attend(DType::bf16, Rounding::hf, s));
    list.push_back(attend(DType::bf16, Rounding::once, s));
  }
  return list;
}

}  // namespace glmv
