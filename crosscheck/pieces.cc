#include "crosscheck/pieces.h"

#include <algorithm>
#include <set>

#include "crosscheck/stages.h"
#include "crosscheck/theirs.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

/// With more ranks than kv heads several ranks hold the same head.
ConstTensorView each_kv_head_once(const Assembly& a, const std::string& point, const ConstTensorView& v,
                                  int64_t shards) {
  static const std::set<std::string_view> of_kv = {"self_attn.k", "self_attn.v", "self_attn.k_rot"};
  const std::string plain = split_step(point).point;
  if (a.config == nullptr || v.rank != 3 || of_kv.count(split_layer(plain).inner) == 0) return v;
  const int64_t kv = a.config->text.num_kv_heads;
  if (v.dim[1] <= kv || v.dim[1] != shards || v.dim[1] % kv != 0) return v;
  std::vector<int64_t> places;
  for (int64_t h = 0; h < kv; ++h) places.push_back(h * (v.dim[1] / kv));
  a.log.used("kv heads that several ranks hold were read once", point);
  return a.tensors.gathered(v, 1, places);
}

/// Heads, or entries of the vocabulary, of one rank after those of another.
ConstTensorView side_by_side(const Assembly& a, const std::string& point, const std::vector<Piece>& shards) {
  std::vector<ConstTensorView> parts;
  for (const Piece& p : shards) {
    parts.push_back(a.tensors.contiguous(without_ones(p.view, 2)));
    if (!fit_side_by_side(parts.back(), parts[0]))
      input_error(a.path, ": ", point, ": rank ", p.shard, " has ", p.view, ", rank 0 has ", shards[0].view);
  }
  a.log.used("shards of ranks put side by side", point);
  return each_kv_head_once(a, point, a.tensors.side_by_side(parts), static_cast<int64_t>(shards.size()));
}

ConstTensorView plus(const Assembly& a, const std::string& point, const ConstTensorView& x, const ConstTensorView& y) {
  if (!equal_extents(x, y)) input_error(a.path, ": ", point, " is ", x, ", what is to be added is ", y);
  return a.tensors.sum(x, y);
}

/// Points that every rank holds, or of which every rank holds an addend.
ConstTensorView of_all_ranks(const Assembly& a, const std::string& point, const std::vector<Piece>& shards) {
  static const std::set<std::string_view> partial = {"attn", "self_attn", "mlp", "mlp.experts", "mlp.shared_experts"};
  const ConstTensorView first = shards[0].view;
  if (std::all_of(shards.begin(), shards.end(), [&](const Piece& p) { return same_values(p.view, first); })) {
    a.log.used("ranks that hold the same were read once", point);
    return first;
  }
  if (partial.count(split_layer(split_step(point).point).inner) == 0) {
    a.warnings.push_back(concat(point, ": the ranks differ, where all should hold the same; rank 0 was read"));
    return first;
  }
  ConstTensorView total = first;
  for (size_t i = 1; i < shards.size(); ++i) total = plus(a, point, total, shards[i].view);
  a.log.used("partial sums of ranks added", point);
  return total;
}

ConstTensorView joined(const Assembly& a, const std::string& point, std::vector<Piece> shards) {
  if (shards.size() == 1 && shards[0].shards == 1) return shards[0].view;
  std::sort(shards.begin(), shards.end(), [](const Piece& x, const Piece& y) { return x.shard < y.shard; });
  for (size_t i = 0; i < shards.size(); ++i) {
    if (shards[i].source != shards[0].source) input_error(a.path, ": --map gives two tensors the name ", point);
    if (shards[i].shard != static_cast<int64_t>(i) || shards[i].shards != static_cast<int64_t>(shards.size()))
      input_error(a.path, ": ", point, ": of ", shards[0].shards, " ranks only ", shards.size(), " are there");
  }
  const std::string plain = split_step(point).point;
  return plain == "logits" || rank_of_point(plain) == 3 ? side_by_side(a, point, shards)
                                                        : of_all_ranks(a, point, shards);
}

}  // namespace

ConstTensorView put_together(const Assembly& assembly, const std::string& point, const std::vector<Piece>& pieces) {
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
  const ConstTensorView v = joined(assembly, point, own);
  if (addends.empty()) return v;
  assembly.log.used("residual: added to the hidden state", point);
  return plus(assembly, point, v, joined(assembly, point, addends));
}

}  // namespace glmv
