// Start at put_together() at the end, and at joined() for what several ranks wrote.
#include "crosscheck/pieces.h"

#include <algorithm>
#include <set>

#include "crosscheck/stages.h"
#include "crosscheck/theirs.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

/// What ranks may share out among themselves: the columns of heads, or of the vocabulary.
struct Columns {
  bool known = false;  ///< is there a model that says so?
  int64_t all = 0;     ///< of the whole point
  int64_t width = 0;   ///< of a head; 0 for logits
  bool of_kv = false;
};

Columns columns_of(const Assembly& a, const std::string& plain) {
  static const std::set<std::string_view> of_kv = {"attn.k", "attn.v", "self_attn.k", "self_attn.v", "self_attn.k_rot"};
  if (a.config == nullptr) return {};
  if (plain == "logits") return {true, a.config->text.vocab_size, 0, false};
  const Heads heads = heads_of(*a.config, plain);
  const bool kv = of_kv.count(split_layer(plain).inner) > 0;
  return {true, (kv ? heads.kv : heads.query) * heads.width, heads.width, kv};
}

int64_t width_of(const ConstTensorView& v) {
  int64_t width = 1;
  for (int i = 1; i < v.rank; ++i) width *= v.dim[i];
  return width;
}

/// A batch axis of one dropped, so that axis 0 counts tokens. A decode step's only token has an axis of one as well.
ConstTensorView token_rows(const std::string& point, ConstTensorView v, const Columns& c) {
  if (rank_of_point(split_step(point).point) < 3) {
    v = without_ones(v, 2);
    return v.rank == 1 ? reshape(v, {1, v.dim[0]}) : v;
  }
  if (v.rank < 3 || v.dim[0] != 1) return v;
  const bool is_one_token = v.rank == 3 && c.known && v.dim[2] == c.width && split_step(point).step > 0;
  return is_one_token ? v : without_axis(v, 0);
}

/// The parts one after the other along axis 1; heads are told apart where their width is known.
ConstTensorView side_by_side(const Assembly& a, const std::vector<ConstTensorView>& parts, const Columns& c) {
  const ConstTensorView v = a.tensors.side_by_side(parts);
  const bool heads_merged = c.width > 0 && v.rank == 2 && v.dim[1] % c.width == 0;
  return heads_merged ? reshape(v, {v.dim[0], v.dim[1] / c.width, c.width}) : v;
}

/// With more ranks than kv heads neighbours hold the same head: ranks 0 and 1 the first of 8, if there are 16.
Assembled each_kv_head_once(const Assembly& a, const std::string& point, const std::vector<ConstTensorView>& parts,
                            const Columns& c) {
  const auto ranks = static_cast<int64_t>(parts.size()), each = ranks / (c.all / c.width);
  Assembled out;
  for (int64_t i = 0; i < each; ++i) {
    std::vector<ConstTensorView> heads;
    std::string who = "ranks ";
    for (int64_t rank = i; rank < ranks; rank += each) {
      heads.push_back(parts[static_cast<size_t>(rank)]);
      who += concat(rank == i ? "" : ", ", rank);
    }
    const ConstTensorView v = side_by_side(a, heads, c);
    if (i == 0) {
      out.view = v;
    } else if (!same_values(v, out.view)) {
      out.others.push_back({who, v});
    }
  }
  a.log.used("kv heads that several ranks hold were read once", point);
  if (!out.others.empty()) a.log.used("ranks differ where they should hold the same: each was judged", point);
  return out;
}

/// Engines pad the vocabulary until the ranks can share it out evenly; the padding is at the end.
ConstTensorView without_padding(const Assembly& a, const std::string& point, const ConstTensorView& v, const Columns& c,
                                int64_t of_a_rank) {
  const int64_t padding = v.dim[1] - c.all;
  if (!c.known || c.width > 0 || padding <= 0 || padding >= of_a_rank) return v;
  a.log.used(concat("padding of the vocabulary cut: ", padding, " of ", v.dim[1], " columns"), point);
  return a.tensors.contiguous(slice(v, 1, 0, c.all));
}

ConstTensorView plus(const Assembly& a, const std::string& point, const ConstTensorView& x, const ConstTensorView& y) {
  if (!equal_extents(x, y)) input_error(a.path, ": ", point, " is ", x, ", what is to be added is ", y);
  return a.tensors.sum(x, y);
}

/// Of one value, up to the order in which it was summed: nearer to each other than half of what they hold. Partial sums
/// are not.
bool nearly_same(const ConstTensorView& x, const ConstTensorView& y) {
  if (!is_float(x.dtype) || !is_float(y.dtype) || !equal_extents(x, y)) return false;
  Tensor a(DType::f64, x), b(DType::f64, y);
  convert(x, a.view);
  convert(y, b.view);
  double apart = 0, size = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    const double difference = a.data<double>()[i] - b.data<double>()[i];
    apart += difference * difference;
    size += b.data<double>()[i] * b.data<double>()[i];
  }
  return apart < size / 4;
}

/// Points that every rank holds.
Assembled whole_on_each(const Assembly& a, const std::string& point, const std::vector<Piece>& shards) {
  const ConstTensorView first = shards[0].view;
  Assembled out{first, {}};
  const bool same =
      std::all_of(shards.begin(), shards.end(), [&](const Piece& p) { return same_values(p.view, first); });
  a.log.used(same ? "ranks that hold the same were read once"
                  : "ranks differ where they should hold the same: each was judged",
             point);
  const bool in_any_order = point.find(".gate.topk_") != std::string::npos;
  if (same && !in_any_order) return out;
  for (size_t i = 1; i < shards.size(); ++i) out.others.push_back({concat("rank ", shards[i].shard), shards[i].view});
  return out;
}

/// Points that every rank holds, or of which every rank holds an addend.
Assembled of_all_ranks(const Assembly& a, const std::string& point, const std::vector<Piece>& shards) {
  static const std::set<std::string_view> partial = {"attn", "self_attn", "mlp", "mlp.experts", "mlp.shared_experts"};
  const ConstTensorView first = shards[0].view;
  const auto near_first = [&](const Piece& p) { return same_values(p.view, first) || nearly_same(p.view, first); };
  if (partial.count(split_layer(split_step(point).point).inner) == 0 ||
      std::all_of(shards.begin(), shards.end(), near_first))
    return whole_on_each(a, point, shards);
  ConstTensorView total = first;
  for (size_t i = 1; i < shards.size(); ++i) total = plus(a, point, total, shards[i].view);
  a.log.used("partial sums of ranks added", point);
  return {total, {}};
}

/// Heads and logits: shared out among the ranks, or whole on each. The model's numbers tell; without them equal ranks
/// are taken for whole ones.
Assembled heads_or_logits(const Assembly& a, const std::string& point, const std::vector<Piece>& shards) {
  const Columns c = columns_of(a, split_step(point).point);
  std::vector<ConstTensorView> parts;
  bool whole = true, one_head_each = true;
  for (const Piece& p : shards) {
    parts.push_back(a.tensors.contiguous(token_rows(point, p.view, c)));
    whole = whole && (c.known ? width_of(parts.back()) == c.all : same_values(p.view, shards[0].view));
    one_head_each = one_head_each && width_of(parts.back()) == c.width;
  }
  if (whole) return whole_on_each(a, point, shards);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!fit_side_by_side(parts[i], parts[0]))
      input_error(a.path, ": ", point, ": rank ", i, " has ", shards[i].view, ", rank 0 has ", shards[0].view,
                  ": they do not fit side by side");
  }
  const auto ranks = static_cast<int64_t>(parts.size());
  const int64_t kv = c.of_kv ? c.all / c.width : 0;
  if (one_head_each && kv > 0 && ranks > kv && ranks % kv == 0) return each_kv_head_once(a, point, parts, c);
  a.log.used("shards of ranks put side by side", point);
  return {without_padding(a, point, side_by_side(a, parts, c), c, width_of(parts.back())), {}};
}

void check_all_there(const Assembly& a, const std::string& point, const std::vector<Piece>& shards) {
  std::set<std::string> sources;
  for (const Piece& p : shards) sources.insert(p.source);
  if (sources.size() > 1)
    input_error(a.path, ": --map gives ", sources.size(), " tensors the name ", point, ", among them ",
                *sources.begin(), " and ", *std::next(sources.begin()));
  for (size_t i = 0; i < shards.size(); ++i) {
    if (shards[i].shards != shards[0].shards) input_error(a.path, ": ", point, ": is there with a rank and without");
    if (shards[i].shard != static_cast<int64_t>(i) || shards[i].shards != static_cast<int64_t>(shards.size()))
      input_error(a.path, ": ", point, ": of ", shards[0].shards, " ranks only ", shards.size(), " are there");
  }
}

Assembled joined(const Assembly& a, const std::string& point, std::vector<Piece> shards) {
  if (shards.size() == 1 && shards[0].shards == 1) return {shards[0].view, {}};
  std::sort(shards.begin(), shards.end(), [](const Piece& x, const Piece& y) { return x.shard < y.shard; });
  check_all_there(a, point, shards);
  if (point.starts_with("floor/")) return whole_on_each(a, point, shards);
  const std::string plain = split_step(point).point;
  return plain == "logits" || rank_of_point(plain) == 3 ? heads_or_logits(a, point, shards)
                                                        : of_all_ranks(a, point, shards);
}

/// Rank by rank; what is there once is added to what each rank holds.
Assembled sum_of(const Assembly& a, const std::string& point, const Assembled& x, const Assembled& y) {
  Assembled out{plus(a, point, x.view, y.view), {}};
  const std::vector<HeldByRank>& more = x.others.empty() ? y.others : x.others;
  for (size_t i = 0; i < more.size(); ++i) {
    const ConstTensorView of_x = x.others.empty() ? x.view : x.others[i].view;
    const ConstTensorView of_y = i < y.others.size() ? y.others[i].view : y.view;
    out.others.push_back({more[i].who, plus(a, point, of_x, of_y)});
  }
  return out;
}

}  // namespace

Heads heads_of(const ModelConfig& c, std::string_view point) {
  if (point.rfind("model.visual.", 0) == 0) return {c.vision.num_heads, c.vision.num_heads, c.vision.head_dim()};
  return {c.text.num_heads, c.text.num_kv_heads, c.text.head_dim};
}

Assembled put_together(const Assembly& assembly, const std::string& point, const std::vector<Piece>& pieces) {
  const bool has_own =
      std::any_of(pieces.begin(), pieces.end(), [](const Piece& p) { return !p.stand_in && !p.addend; });
  std::vector<Piece> own, addends;
  for (const Piece& p : pieces) {
    const bool another = p.stand_in && !own.empty() && own[0].source != p.source;
    if ((p.stand_in && has_own) || another) continue;
    (p.addend ? addends : own).push_back(p);
  }
  if (own.empty()) {
    assembly.warnings.push_back(concat(point, ": only the residual is there, nothing to add it to; left out"));
    return {};
  }
  Assembled v = joined(assembly, point, own);
  if (addends.empty()) return v;
  assembly.log.used("residual: added to the hidden state", point);
  return sum_of(assembly, point, v, joined(assembly, point, addends));
}

}  // namespace glmv
