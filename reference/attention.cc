// Work is cut into items (sequence, kv head, block of queries). An item stacks its rows, one per (query, query head of
// the group), multiplies them with all keys they may see, turns each row into probabilities and weighs the values.
// Every row is computed on its own in one order, so its bits do not depend on how queries are batched or blocked.
#include "reference/attention.h"

#include <algorithm>
#include <limits>

#include "reference/core/parallel.h"
#include "reference/core/register_block.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const AttentionArgs& a) {
  GLMV_CHECK(a.q.rank == 3 && a.out.rank == 3 && a.kv.k_pages.rank == 4 && a.kv.v_pages.rank == 4, "q ", a.q, " out ",
             a.out, " k ", a.kv.k_pages, " v ", a.kv.v_pages);
  for (int i = 0; i < 3; ++i) GLMV_CHECK(a.q.dim[i] == a.out.dim[i], "q ", a.q, " out ", a.out);
  for (int i = 0; i < 4; ++i) {
    GLMV_CHECK(a.kv.k_pages.dim[i] == a.kv.v_pages.dim[i], "k ", a.kv.k_pages, " v ", a.kv.v_pages);
  }
  GLMV_CHECK(a.q.dtype == a.out.dtype && a.q.dtype == a.kv.k_pages.dtype && a.q.dtype == a.kv.v_pages.dtype, "q ", a.q,
             " k ", a.kv.k_pages, " v ", a.kv.v_pages, " out ", a.out);
  GLMV_CHECK(a.q.dim[2] == a.kv.head_dim(), "q ", a.q, " k ", a.kv.k_pages);
  GLMV_CHECK(a.kv.kv_heads() > 0 && a.q.dim[1] % a.kv.kv_heads() == 0, "q ", a.q, " k ", a.kv.k_pages);
  GLMV_CHECK(a.cu_seqlens.dtype == DType::i32 && a.cu_seqlens.rank == 1 && a.cu_seqlens.dim[0] >= 1, a.cu_seqlens);
  const int64_t sequences = a.cu_seqlens.dim[0] - 1;
  GLMV_CHECK(a.kv.lengths.dtype == DType::i32 && a.kv.lengths.rank == 1 && a.kv.lengths.dim[0] == sequences, "lengths ",
             a.kv.lengths, " cu_seqlens ", a.cu_seqlens);
  GLMV_CHECK(a.kv.page_table.dtype == DType::i32 && a.kv.page_table.rank == 2 && a.kv.page_table.dim[0] == sequences,
             "page_table ", a.kv.page_table, " cu_seqlens ", a.cu_seqlens);
  GLMV_CHECK(last_axis_adjacent(a.q) && last_axis_adjacent(a.out) && last_axis_adjacent(a.kv.k_pages) &&
                 last_axis_adjacent(a.kv.v_pages),
             "strided last axis");
}

namespace ref {
namespace {

constexpr int64_t kKeyBlock = 64;          // keys widened at a time
constexpr int64_t kScoreBudget = 1 << 20;  // scores an item may hold, in elements
constexpr int64_t kMaxRows = 96;           // rows an item stacks at most

/// One item's shape: which rows of q and how many keys.
struct Item {
  int64_t sequence, kv_head;
  int64_t first, count;   // queries, counted from the start of the sequence
  int64_t queries, keys;  // of the whole sequence
};

/// Keys that query `t` of its sequence may see.
int64_t visible_keys(const AttentionArgs& a, const Item& item, int64_t t) {
  return a.mask == Mask::full ? item.keys : item.keys - item.queries + t + 1;
}

std::vector<Item> items_of(const AttentionArgs& a) {
  const auto start = as<int32_t, 1>(a.cu_seqlens), length = as<int32_t, 1>(a.kv.lengths);
  const int64_t group = a.q.dim[1] / a.kv.kv_heads();
  std::vector<Item> items;
  for (int64_t b = 0; b < length.dim[0]; ++b) {
    const int64_t queries = start(b + 1) - start(b), keys = length(b);
    GLMV_CHECK(queries >= 0 && start(b + 1) <= a.q.dim[0], "cu_seqlens ", start(b), "..", start(b + 1), " q ", a.q);
    GLMV_CHECK(a.mask == Mask::full || keys >= queries, "sequence ", b, ": ", queries, " queries, ", keys, " keys");
    GLMV_CHECK(keys <= a.kv.page_table.dim[1] * a.kv.page_size(), "sequence ", b, ": ", keys, " keys in ",
               a.kv.page_table.dim[1], " pages of ", a.kv.page_size());
    const int64_t rows = std::clamp<int64_t>(kScoreBudget / std::max<int64_t>(keys, 1), group, kMaxRows);
    const int64_t step = std::max<int64_t>(rows / group, 1);
    for (int64_t first = 0; first < queries; first += step) {
      for (int64_t g = 0; g < a.kv.kv_heads(); ++g) {
        items.push_back({b, g, first, std::min(step, queries - first), queries, keys});
      }
    }
  }
  return items;
}

/// Operations of one item, about: of the largest one, score by score.
int64_t work_of(const AttentionArgs& a, const std::vector<Item>& items) {
  int64_t scores = 0;
  for (const Item& item : items) scores = std::max(scores, item.count * item.keys);
  return scores * (a.q.dim[1] / a.kv.kv_heads()) * 4 * a.q.dim[2];
}

/// Keys (or values) [begin, begin + n) of one kv head, widened, rows of D adjacent.
template <class Acc>
void gather(const ConstTensorView& pages, const KvView& kv, const Item& item, int64_t begin, int64_t n, Acc* to) {
  const auto table = as<int32_t, 2>(kv.page_table);
  const int64_t page_size = kv.page_size(), width = kv.head_dim();
  for (int64_t s = begin; s < begin + n; ++s) {
    const int64_t page = table(item.sequence, s / page_size);
    GLMV_CHECK(page >= 0 && page < pages.dim[0], "page ", page, " of ", pages);
    const int64_t offset = page * pages.stride[0] + s % page_size * pages.stride[1] + item.kv_head * pages.stride[2];
    load_row(static_cast<const char*>(pages.data) + offset * static_cast<int64_t>(size_of(pages.dtype)), pages.dtype,
             width, to + (s - begin) * width);
  }
}

/// s[0, n) times scale, rounded before and after as a 16-bit model does; n is a multiple of the lanes.
template <class Acc>
void scale_scores(Acc* s, int64_t n, Acc scale, DType rounded) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  round_row(rounded, s, n);
  for (int64_t i = 0; i < n; i += kLanes) simd::store(s + i, simd::load(s + i) * simd::splat(scale));
  round_row(rounded, s, n);
}

template <class Acc>
Acc largest_of(const Acc* s, int64_t n) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  simd::Vec<Acc> most = simd::load(s);
  for (int64_t i = kLanes; i < n; i += kLanes) {
    const simd::Vec<Acc> v = simd::load(s + i);
    most = v > most ? v : most;
  }
  Acc largest = most[0];
  for (int lane = 1; lane < kLanes; ++lane) largest = std::max(largest, Acc(most[lane]));
  return largest;
}

/// Scores of one row -> probabilities over its visible keys; everything behind them becomes 0. `padded` is a multiple
/// of the lanes.
template <class Acc>
void softmax_row(Acc* s, int64_t visible, int64_t padded, Acc scale, DType rounded, Reduction reduction) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  if (visible <= 0) return std::fill(s, s + padded, Acc(0));
  scale_scores(s, padded, scale, rounded);
  std::fill(s + visible, s + padded, -std::numeric_limits<Acc>::infinity());
  const simd::Vec<Acc> largest = simd::splat(largest_of(s, padded));
  simd::Vec<Acc> total{};
  for (int64_t i = 0; i < padded; i += kLanes) {
    const simd::Vec<Acc> e = exp_in(reduction, simd::load(s + i) - largest);
    simd::store(s + i, e);
    total += e;
  }
  const simd::Vec<Acc> sum = simd::splat(simd::sum(total));
  for (int64_t i = 0; i < padded; i += kLanes) simd::store(s + i, simd::load(s + i) / sum);
  round_row(rounded, s, visible);
}

/// Scores of a block of keys in another legal order.
template <class Acc>
void score_in_order(const Acc* q, int64_t rows, const Acc* keys, int64_t n, int64_t width, Acc* scores, int64_t lds,
                    Reduction reduction) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t s = 0; s < n; ++s) scores[r * lds + s] = dot(q + r * width, keys + s * width, width, reduction);
  }
}

/// The weighted sum in another legal order.
template <class Acc>
void weigh_in_order(const Acc* p, int64_t ldp, int64_t rows, const Acc* v, int64_t n, int64_t width, Acc* out,
                    Reduction reduction) {
  std::vector<Acc> column(static_cast<size_t>(n));
  for (int64_t e = 0; e < width; ++e) {
    for (int64_t s = 0; s < n; ++s) column[static_cast<size_t>(s)] = v[s * width + e];
    for (int64_t r = 0; r < rows; ++r) out[r * width + e] += dot(p + r * ldp, column.data(), n, reduction);
  }
}

template <class Acc>
void attend(const AttentionArgs& a, const Item& item, Reduction reduction) {
  const int64_t group = a.q.dim[1] / a.kv.kv_heads(), width = a.q.dim[2];
  const int64_t rows = item.count * group, query_0 = as<int32_t, 1>(a.cu_seqlens)(item.sequence) + item.first;
  const int64_t seen = std::max<int64_t>(visible_keys(a, item, item.first + item.count - 1), 0);
  const int64_t padded = (seen + kBlockCols<Acc> - 1) / kBlockCols<Acc> * kBlockCols<Acc>;
  const bool round_inner = a.rounding == Rounding::hf || a.out.dtype == DType::f64;
  const DType rounded = round_inner ? a.out.dtype : DType::f32;
  thread_local std::vector<Acc> q, block, keys, scores, out;
  q.resize(static_cast<size_t>(rows * width));
  block.resize(static_cast<size_t>(kKeyBlock * width));
  keys.resize(static_cast<size_t>(kKeyBlock * width));
  scores.resize(static_cast<size_t>(rows * padded));
  out.assign(static_cast<size_t>(rows * width), Acc(0));
  const auto head = [&](int64_t r) { return item.kv_head * group + r % group; };

  for (int64_t r = 0; r < rows; ++r) {
    load_row(row_of(a.q, query_0 + r / group, head(r)), a.q.dtype, width, q.data() + r * width);
  }
  for (int64_t s = 0; s < seen; s += kKeyBlock) {
    const int64_t n = std::min(kKeyBlock, seen - s);
    gather(a.kv.k_pages, a.kv, item, s, n, block.data());
    if (reduction == Reduction::blocked) {
      transpose(block.data(), width, n, width, keys.data(), kKeyBlock);
      const int64_t columns = std::min(kKeyBlock, padded - s);  // those behind the last key are made 0 by the softmax
      block_product(q.data(), width, rows, keys.data(), kKeyBlock, columns, width, scores.data() + s, padded,
                    Into::set);
    } else {
      score_in_order(q.data(), rows, block.data(), n, width, scores.data() + s, padded, reduction);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    softmax_row(scores.data() + r * padded, visible_keys(a, item, item.first + r / group), padded,
                static_cast<Acc>(a.scale), rounded, reduction);
  }
  for (int64_t s = 0; s < seen; s += kKeyBlock) {
    const int64_t n = std::min(kKeyBlock, seen - s);
    gather(a.kv.v_pages, a.kv, item, s, n, block.data());
    if (reduction == Reduction::blocked) {
      block_product(scores.data() + s, padded, rows, block.data(), width, width, n, out.data(), width, Into::add);
    } else {
      weigh_in_order(scores.data() + s, padded, rows, block.data(), n, width, out.data(), reduction);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    store_row(out.data() + r * width, width, a.out.dtype, row_of(a.out, query_0 + r / group, head(r)));
  }
}

}  // namespace

void attention(const AttentionArgs& a, Exec exec) {
  check(a);
  const std::vector<Item> items = items_of(a);
  with_accumulator(a.out.dtype, [&](auto acc) {
    parallel_for(static_cast<int64_t>(items.size()), work_of(a, items),
                 [&](int64_t i) { attend<decltype(acc)>(a, items[static_cast<size_t>(i)], exec.reduction); });
  });
}

}  // namespace ref
}  // namespace glmv
