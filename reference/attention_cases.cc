#include <algorithm>
#include <cmath>

#include "reference/all_cases.h"
#include "reference/attention.h"
#include "reference/core/cost.h"
#include "reference/core/published.h"

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

/// How a run of these token rows sees the batch: the sequences as they are, or each sampled query as a sequence of its
/// own, which ends with the last key that it may see.
struct Seen {
  std::vector<int32_t> cu = {0}, lengths, table;
};
Seen seen_by(const TokenRows& rows, const Shape& s, const Pages& pages) {
  Seen seen;
  size_t next = 0;
  int64_t first = 0;
  const auto add = [&](size_t sequence, int32_t queries, int32_t keys) {
    seen.cu.push_back(seen.cu.back() + queries);
    seen.lengths.push_back(keys);
    const auto row = pages.table.begin() + static_cast<int64_t>(sequence) * pages.columns;
    seen.table.insert(seen.table.end(), row, row + pages.columns);
  };
  for (size_t b = 0; b < s.sequences.size(); ++b) {
    const Sequence& q = s.sequences[b];
    if (!rows.sampled()) add(b, q.queries, q.keys);
    for (; rows.sampled() && next < rows.ids.size() && rows.ids[next] < first + q.queries; ++next) {
      const auto t = static_cast<int32_t>(rows.ids[next] - first);
      add(b, 1, s.mask == Mask::full ? q.keys : q.keys - q.queries + t + 1);
    }
    first += q.queries;
  }
  return seen;
}

Cost cost_of(DType dtype, const Shape& s) {
  double queries = 0, keys = 0;
  for (const Sequence& q : s.sequences) queries += q.queries, keys += q.queries > 0 ? q.keys : 0;
  const auto bytes = static_cast<double>(size_of(dtype));
  return attention_cost(queries, visible_pairs(s), keys, static_cast<double>(s.heads), static_cast<double>(s.kv_heads),
                        static_cast<double>(s.width), {2, bytes, bytes});
}

Case attend(DType dtype, Rounding rounding, Shape s) {
  Case c;
  c.name = concat("attention/", s.what, '_', name_of(dtype), dtype == DType::f32 ? "" : concat('_', name_of(rounding)),
                  "_T", s.sequences[0].queries, "_S", s.sequences[0].keys, "_B", s.sequences.size(), "_heads", s.heads,
                  '_', s.kv_heads, "_D", s.width, "_page", s.page);
  c.dtype = dtype;
  c.bench = s.heads >= 96 || (s.mask == Mask::full && s.width == 128);
  const Cost cost = cost_of(dtype, s);
  c.flops = cost.flops, c.bytes = cost.bytes;
  for (const Sequence& q : s.sequences) {
    c.tokens += q.queries;
    c.context = std::max<int64_t>(c.context, q.keys);
  }
  c.has = [](const OpTable& t) { return static_cast<bool>(t.attention); };
  c.build = [=, c_tokens = c.tokens](CaseRun& r, const OpTable& ops) -> CaseCall {
    const TokenRows rows = r.tokens(c_tokens);
    const Pages pages = deal(s);
    const Seen seen = seen_by(rows, s, pages);
    AttentionArgs a;
    a.q = r.input("q", rows, {s.heads, s.width}, {3, 0});
    a.kv.k_pages = r.input("k_pages", {pages.count, s.page, s.kv_heads, s.width}, {3, 0});
    a.kv.v_pages = r.input("v_pages", {pages.count, s.page, s.kv_heads, s.width});
    a.kv.page_table = r.ids("page_table", seen.table, {static_cast<int64_t>(seen.lengths.size()), pages.columns});
    a.kv.lengths = r.ids("lengths", seen.lengths);
    a.scale = r.scalar("scale", 1 / std::sqrt(static_cast<float>(s.width)));
    a.mask = s.mask;
    r.argument("mask", s.mask == Mask::causal ? "causal" : "full");
    a.cu_seqlens = r.ids("cu_seqlens", seen.cu);
    a.out = r.output("out", rows, {s.heads, s.width});
    a.rounding = r.scalar("rounding", rounding);
    return [=, &ops](Exec e) { ops.attention(a, e); };
  };
  return c;
}

/// Only to be timed: bf16 with the model's rounding points, pages of 64.
Case real(const std::string& what, std::vector<Sequence> sequences, const PublishedModel& m) {
  const Shape s{what.c_str(), std::move(sequences), m.heads, m.kv_heads, m.width, 64};
  Case c = attend(DType::bf16, Rounding::hf, s);
  c.small = false, c.bench = true;
  sample_rows(c);
  return c;
}

Case vision(int64_t patches, size_t pictures) {
  const auto n = static_cast<int32_t>(patches);
  Case c = attend(DType::bf16, Rounding::hf,
                  {"vision_real", std::vector<Sequence>(pictures, {n, n}), kGlmVision.heads, kGlmVision.heads,
                   kGlmVision.width, patches, Mask::full});
  c.small = false, c.bench = true;
  sample_rows(c);
  return c;
}

/// Contexts as a server meets them: lognormal with a median of 2,000 tokens and a sigma of one, each quantile once, in
/// an order that is no order.
std::vector<Sequence> ragged(int64_t batch) {
  std::vector<Sequence> list;
  for (int64_t i = 0; i < batch; ++i) {
    const double u = (static_cast<double>((i * 29) % batch) + 0.5) / static_cast<double>(batch);
    const double normal = (std::pow(u, 0.135) - std::pow(1 - u, 0.135)) / 0.1975;  // Tukey's lambda for the quantile
    list.push_back({1, static_cast<int32_t>(2000 * std::exp(normal))});
  }
  return list;
}

void add_real(Cases& list) {
  const auto decode = [](int64_t batch, int64_t context) {
    return std::vector<Sequence>(static_cast<size_t>(batch), {1, static_cast<int32_t>(context)});
  };
  const auto chunk = [](int64_t tokens, int64_t past) {
    return std::vector<Sequence>{{static_cast<int32_t>(tokens), static_cast<int32_t>(tokens + past)}};
  };
  for (const int64_t context : kContexts) list.push_back(real("glm45v_decode", decode(1, context), kGlm45v));
  for (const int64_t batch : {8, 64, 256}) list.push_back(real("glm45v_decode", decode(batch, 1024), kGlm45v));
  for (const int64_t batch : {8, 64}) {
    list.push_back(real("glm45v_decode", decode(batch, 8192), kGlm45v));
    list.push_back(real("glm45v_decode_ragged", ragged(batch), kGlm45v));
  }
  for (const PublishedModel& m : {kGlm41v, kGlm45vTp2}) {
    list.push_back(real(concat(m.name, "_decode"), decode(1, 8192), m));
    list.push_back(real(concat(m.name, "_prefill"), chunk(1024, 0), m));
  }
  for (const int64_t tokens : kPrefillTokens) list.push_back(real("glm45v_prefill", chunk(tokens, 0), kGlm45v));
  for (const int64_t past : {0, 8192, 32768}) list.push_back(real("glm45v_chunk", chunk(4096, past), kGlm45v));
  for (const int64_t patches : kPatches) list.push_back(vision(patches, 1));
  list.push_back(vision(576, 16));
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
  add_real(list);
  return list;
}

}  // namespace glmv
