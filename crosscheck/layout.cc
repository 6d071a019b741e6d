// Start at to_our_layout() at the end: rename, apply each tensor's rules, join shards, add residuals, cut padding.
#include "crosscheck/layout.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "crosscheck/stages.h"
#include "crosscheck/theirs.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr std::string_view kTower = "model.visual.", kBlocks = "model.visual.blocks", kLayers = "model.language_model.layers";

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }
bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// A tensor on its way to a point.
struct Piece {
  ConstTensorView view;
  int64_t shard = 0, shards = 1;
  bool addend = false;    ///< is to be added to the point
  bool stand_in = false;  ///< an equal value from elsewhere; the point itself is preferred
  std::string source;     ///< their name, without the rank
};

struct Heads {
  int64_t query, kv, width;
};

ConstTensorView exchanged(ConstTensorView v, int a, int b) {
  std::swap(v.dim[a], v.dim[b]);
  std::swap(v.stride[a], v.stride[b]);
  return v;
}

ConstTensorView without_axis(const ConstTensorView& v, int axis) {
  ConstTensorView out = v;
  --out.rank;
  for (int i = axis; i < out.rank; ++i) out.dim[i] = v.dim[i + 1], out.stride[i] = v.stride[i + 1];
  return out;
}

class Undoing {
 public:
  Undoing(const ForeignTensors& theirs, const NameRules& names, const ModelConfig* config)
      : theirs_(theirs), names_(names), config_(config) {}

  OurLayout run() {
    count_shards();
    for (const auto& [name, view] : theirs_.tensors) place(name, view);
    for (auto& [point, pieces] : points_) finish(point, pieces);
    cut_padding();
    for (auto& [rule, at] : used_) {
      const auto& [count, first] = at;
      out_.notes.push_back(count == 1 ? concat(rule, ": ", first)
                                      : concat(rule, ": ", count, " tensors, the first is ", first));
    }
    return std::move(out_);
  }

 private:
  void used(const std::string& rule, const std::string& name) {
    auto& [count, first] = used_[rule];
    if (count++ == 0) first = name;
  }
  [[noreturn]] void refuse(const std::string& name, const std::string& rule, const ConstTensorView& v,
                           const std::string& why) const {
    input_error(theirs_.path, ": ", name, " is ", v, ", which layout rule ", rule, " does not fit: ", why);
  }
  Heads heads_of(std::string_view point) const {
    const ModelConfig& c = *config_;
    if (starts_with(point, kTower)) return {c.vision.num_heads, c.vision.num_heads, c.vision.head_dim()};
    return {c.text.num_heads, c.text.num_kv_heads, c.text.head_dim};
  }
  ConstTensorView keep(Tensor t) {
    out_.made.push_back(std::move(t));
    return out_.made.back().view;
  }
  ConstTensorView contiguous(const ConstTensorView& v) {
    if (v.contiguous()) return v;
    Tensor t(v.dtype, v);
    convert(v, t.view);
    return keep(std::move(t));
  }

  // ---- names ----

  /// "NAME#2" -> {"NAME", 2}
  static std::pair<std::string, int64_t> split_shard(const std::string& name) {
    const size_t at = name.rfind('#');
    const bool number = at != std::string::npos && at + 1 < name.size() && name.size() - at <= 5 &&
                        std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at) + 1, name.end(),
                                    [](char c) { return c >= '0' && c <= '9'; });
    if (!number) return {name, -1};
    return {name.substr(0, at), std::stoll(name.substr(at + 1))};
  }

  void count_shards() {
    for (const auto& [name, view] : theirs_.tensors) {
      const auto [base, shard] = split_shard(name);
      if (shard >= 0) shards_[base] = std::max(shards_[base], shard + 1);
    }
  }

  void place(const std::string& name, const ConstTensorView& view) {
    const auto [base, shard] = split_shard(name);
    std::string mapped = names_.mapped(base);
    std::vector<std::string> rules;
    for (size_t at = mapped.rfind('@'); at != std::string::npos; at = mapped.rfind('@')) {
      rules.insert(rules.begin(), mapped.substr(at + 1));
      mapped.resize(at);
    }
    Piece piece{view, std::max<int64_t>(shard, 0), shard < 0 ? 1 : shards_.at(base), false, false, base};
    apply(mapped.empty() ? base : mapped, rules, piece);
  }

  void add(const std::string& point, const Piece& piece) { points_[point].push_back(piece); }

  void apply(std::string point, const std::vector<std::string>& rules, Piece piece) {
    for (const std::string& rule : rules) {
      if (rule == "ignored") return used("left out, no points of ours", point);
      if (config_ == nullptr && needs_config(rule)) {
        used(concat("left as it is, for @", rule, " needs the numbers of a model"), point);
        continue;
      }
      if (rule == "qkv" || rule == "qkv_by_group") return take_qkv_apart(point, rule, piece);
      if (rule == "residual") {
        piece.addend = true;
      } else if (rule == "same") {
        piece.stand_in = true;
      } else if (rule == "input" || rule == "last") {
        point = rule == "input" ? before(point) : last_of(point);
        piece.stand_in = true;
      } else if (rule == "transposed" || rule == "heads_first") {
        piece.view = exchange(point, rule, piece.view);
      } else if (rule == "each_angle_twice") {
        piece.view = each_angle_once(point, piece.view);
      } else if (rule == "half_split") {
        piece.view = pairs_together(point, piece.view);
      } else {
        usage_error("layout rule @", rule, " of ", point, ": known are qkv, qkv_by_group, residual, input, same, last, "
                    "transposed, heads_first, each_angle_twice, half_split, ignored");
      }
    }
    add(point, piece);
  }

  static bool needs_config(const std::string& rule) {
    return rule == "qkv" || rule == "qkv_by_group" || rule == "last" || rule == "half_split";
  }

  /// The input of a layer is the output of the one before.
  std::string before(const std::string& name) {
    const PointName at = split_step(name);
    const LayerPoint layer = split_layer(at.point);
    if (layer.layer < 0) usage_error("layout rule @input of ", name, ": not a layer");
    used("the input of a layer stands for the output of the one before", name);
    const bool tower = starts_with(at.point, kTower);
    if (layer.layer == 0) return join_step(at.step, tower ? "model.visual.embeddings" : "inputs_embeds");
    return join_step(at.step, concat(layer.stem, layer.layer - 1));
  }
  std::string last_of(const std::string& name) {
    const PointName at = split_step(name);
    const ModelConfig& c = *config_;
    if (at.point != kBlocks && at.point != kLayers) usage_error("layout rule @last of ", name, ": not a stack of layers");
    used("the input of the last norm stands for the output of the last layer", name);
    return join_step(at.step, concat(at.point, '.', (at.point == kBlocks ? c.vision.depth : c.text.num_layers) - 1));
  }

  // ---- rules on one tensor ----

  ConstTensorView exchange(const std::string& point, const std::string& rule, ConstTensorView v) {
    const int rank = rule == "transposed" ? 2 : 3;
    v = without_ones(v, rank);
    if (v.rank != rank) refuse(point, rule, v, concat("it has not ", rank, " axes"));
    used(rule == "transposed" ? "transposed: two axes exchanged" : "heads_first: heads put behind tokens", point);
    return contiguous(exchanged(v, 0, 1));
  }

  /// Axes of one dropped from the front until `rank` are left, if there are enough of them.
  static ConstTensorView without_ones(ConstTensorView v, int rank, bool from_back = false) {
    while (v.rank > rank) {
      int axis = -1;
      for (int i = 0; i < v.rank; ++i) {
        if (v.dim[i] == 1 && (axis < 0 || from_back)) axis = i;
      }
      if (axis < 0) break;
      v = without_axis(v, axis);
    }
    return v;
  }

  /// [T, anything] -> [T, W]; the view must be contiguous.
  static ConstTensorView rows(const ConstTensorView& v) {
    int64_t width = 1;
    for (int i = 1; i < v.rank; ++i) width *= v.dim[i];
    return reshape(v, {v.dim[0], width});
  }

  void take_qkv_apart(const std::string& name, const std::string& rule, const Piece& piece) {
    if (!ends_with(name, ".qkv")) usage_error("layout rule @", rule, " of ", name, ": the name does not end in .qkv");
    const std::string stem = name.substr(0, name.size() - 3);
    const Heads all = heads_of(split_step(name).point);
    const int64_t query = all.query / piece.shards, kv = std::max<int64_t>(1, all.kv / piece.shards);
    ConstTensorView v = without_ones(piece.view, 2);
    if (v.rank < 2) refuse(name, rule, v, "it has no row per token");
    v = rows(contiguous(v));
    if (v.dim[1] != (query + 2 * kv) * all.width)
      refuse(name, rule, v, concat("a row should be (", query, " + 2 * ", kv, ") heads of ", all.width));
    const ConstTensorView heads = reshape(v, {v.dim[0], query + 2 * kv, all.width});
    used(rule == "qkv" ? "qkv: query, key and value taken apart" : "qkv_by_group: query, key and value taken apart", name);
    const bool grouped = rule == "qkv_by_group";
    const int64_t per_group = query / kv;
    const auto is_query = [&](int64_t h) { return grouped ? h % (per_group + 2) < per_group : h < query; };
    const auto is_key = [&](int64_t h) {
      return grouped ? h % (per_group + 2) == per_group : h >= query && h < query + kv;
    };
    add_heads(stem + "q", heads, piece, is_query);
    add_heads(stem + "k", heads, piece, is_key);
    add_heads(stem + "v", heads, piece, [&](int64_t h) { return !is_query(h) && !is_key(h); });
  }

  void add_heads(const std::string& point, const ConstTensorView& heads, const Piece& from,
                 const std::function<bool(int64_t)>& is_wanted) {
    std::vector<int64_t> wanted;
    for (int64_t h = 0; h < heads.dim[1]; ++h) {
      if (is_wanted(h)) wanted.push_back(h);
    }
    Piece piece = from;
    piece.view = gathered(heads, 1, wanted);
    add(point, piece);
  }

  /// The chosen places of an axis, one after the other.
  ConstTensorView gathered(const ConstTensorView& v, int axis, const std::vector<int64_t>& places) {
    ConstTensorView extents = v;
    extents.dim[axis] = static_cast<int64_t>(places.size());
    Tensor t(v.dtype, extents);
    for (size_t i = 0; i < places.size(); ++i) {
      const auto to = static_cast<int64_t>(i);
      convert(slice(v, axis, places[i], places[i] + 1), slice(t.view, axis, to, to + 1));
    }
    return keep(std::move(t));
  }

  ConstTensorView each_angle_once(const std::string& point, ConstTensorView v) {
    v = contiguous(without_ones(v, 2));
    if (v.rank != 2 || v.dim[1] % 2 != 0) return v;
    Tensor values(DType::f64, v);
    convert(v, values.view);
    const int64_t half = v.dim[1] / 2;
    std::vector<int64_t> first, even;
    for (int64_t j = 0; j < half; ++j) first.push_back(j), even.push_back(2 * j);
    bool halves = true, pairs = true;
    for (int64_t t = 0; t < v.dim[0]; ++t) {
      const double* row = values.data<double>() + t * v.dim[1];
      for (int64_t j = 0; j < half; ++j) {
        halves = halves && row[j] == row[half + j];
        pairs = pairs && row[2 * j] == row[2 * j + 1];
      }
    }
    if (!halves && !pairs) {
      out_.warnings.push_back(concat(point, ": no angle stands there twice; taken as it is"));
      return v;
    }
    used("each_angle_twice: one of each kept", point);
    return gathered(v, 1, halves ? first : even);
  }

  /// Column j and R/2 + j of a head become 2j and 2j + 1, in the family that rotates neighbours.
  ConstTensorView pairs_together(const std::string& point, ConstTensorView v) {
    const ModelConfig& c = *config_;
    if (c.family != Family::dense || starts_with(split_step(point).point, kTower)) return v;
    const int64_t d = c.text.head_dim, rotary = c.text.rotary_dim;
    v = without_ones(v, 2);
    if (v.rank < 2) refuse(point, "half_split", v, "it has no row per token");
    v = rows(contiguous(v));
    if (v.dim[1] % d != 0) refuse(point, "half_split", v, concat("a row is no whole number of heads of ", d));
    std::vector<int64_t> from;
    for (int64_t j = 0; j < d; ++j) from.push_back(j >= rotary ? j : j % 2 == 0 ? j / 2 : rotary / 2 + j / 2);
    used("half_split: rows of query and key put back in pairs", point);
    return gathered(reshape(v, {v.dim[0], v.dim[1] / d, d}), 2, from);
  }

  // ---- pieces of one point ----

  void finish(const std::string& point, std::vector<Piece>& pieces) {
    const bool has_own = std::any_of(pieces.begin(), pieces.end(), [](const Piece& p) { return !p.stand_in && !p.addend; });
    std::vector<Piece> own, addends;
    for (const Piece& p : pieces) {
      const bool another = p.stand_in && !own.empty() && own[0].source != p.source;
      if ((p.stand_in && has_own) || another) continue;
      (p.addend ? addends : own).push_back(p);
    }
    if (own.empty()) {
      out_.warnings.push_back(concat(point, ": only the residual is there, nothing to add it to; left out"));
      return;
    }
    ConstTensorView v = joined(point, own);
    if (!addends.empty()) v = sum(point, v, joined(point, addends));
    out_.tensors[point] = natural(point, v);
  }

  ConstTensorView joined(const std::string& point, std::vector<Piece>& shards) {
    if (shards.size() == 1 && shards[0].shards == 1) return shards[0].view;
    std::sort(shards.begin(), shards.end(), [](const Piece& a, const Piece& b) { return a.shard < b.shard; });
    for (size_t i = 0; i < shards.size(); ++i) {
      if (shards[i].source != shards[0].source)
        input_error(theirs_.path, ": --map gives two tensors the name ", point);
      if (shards[i].shard != static_cast<int64_t>(i) || shards[i].shards != static_cast<int64_t>(shards.size()))
        input_error(theirs_.path, ": ", point, ": of ", shards[0].shards, " ranks only ", shards.size(), " are there");
    }
    const std::string plain = split_step(point).point;
    if (plain == "logits" || rank_of_point(plain) == 3) return side_by_side(point, shards);
    const bool equal = std::all_of(shards.begin(), shards.end(),
                                   [&](const Piece& p) { return same_values(p.view, shards[0].view); });
    if (equal) {
      used("ranks that hold the same were read once", point);
      return shards[0].view;
    }
    static const std::set<std::string_view> partial = {"attn", "self_attn", "mlp", "mlp.experts", "mlp.shared_experts"};
    if (partial.count(split_layer(plain).inner) == 0) {
      out_.warnings.push_back(concat(point, ": the ranks differ, where all should hold the same; rank 0 was read"));
      return shards[0].view;
    }
    ConstTensorView total = shards[0].view;
    for (size_t i = 1; i < shards.size(); ++i) total = plus(point, total, shards[i].view);
    used("partial sums of ranks added", point);
    return total;
  }

  static bool same_values(const ConstTensorView& a, const ConstTensorView& b) {
    if (!equal_extents(a, b)) return false;
    Tensor x(DType::f64, a), y(DType::f64, b);
    convert(a, x.view);
    convert(b, y.view);
    return std::equal(x.data<double>(), x.data<double>() + a.size(), y.data<double>());
  }

  /// Heads, or entries of the vocabulary, of one rank after those of another.
  ConstTensorView side_by_side(const std::string& point, const std::vector<Piece>& shards) {
    std::vector<ConstTensorView> parts;
    int64_t width = 0;
    for (const Piece& p : shards) {
      ConstTensorView v = without_ones(p.view, 2);
      if (v.rank < 2) input_error(theirs_.path, ": ", point, " of rank ", p.shard, " is ", p.view, ": no row per token");
      parts.push_back(contiguous(v));
      const ConstTensorView& first = parts[0];
      bool fits = parts.back().rank == first.rank && parts.back().dtype == first.dtype;
      for (int i = 0; fits && i < first.rank; ++i) fits = i == 1 || parts.back().dim[i] == first.dim[i];
      if (!fits) input_error(theirs_.path, ": ", point, ": rank ", p.shard, " has ", v, ", rank 0 has ", first);
      width += parts.back().dim[1];
    }
    ConstTensorView extents = parts[0];
    extents.dim[1] = width;
    Tensor t(extents.dtype, extents);
    int64_t at = 0;
    for (const ConstTensorView& part : parts) {
      convert(part, slice(t.view, 1, at, at + part.dim[1]));
      at += part.dim[1];
    }
    used("shards of ranks put side by side", point);
    return each_kv_head_once(point, keep(std::move(t)), static_cast<int64_t>(shards.size()));
  }

  /// With more ranks than kv heads several ranks hold the same head.
  ConstTensorView each_kv_head_once(const std::string& point, const ConstTensorView& v, int64_t shards) {
    const std::string plain = split_step(point).point;
    const std::string_view inner = split_layer(plain).inner;
    if (config_ == nullptr || v.rank != 3 || starts_with(plain, kTower)) return v;
    const int64_t kv = config_->text.num_kv_heads;
    const bool is_kv = inner == "self_attn.k" || inner == "self_attn.v" || inner == "self_attn.k_rot";
    if (!is_kv || v.dim[1] <= kv || v.dim[1] != shards || v.dim[1] % kv != 0) return v;
    std::vector<int64_t> places;
    for (int64_t h = 0; h < kv; ++h) places.push_back(h * (v.dim[1] / kv));
    used("kv heads that several ranks hold were read once", point);
    return gathered(v, 1, places);
  }

  /// a + b, rounded once to a's type.
  ConstTensorView plus(const std::string& point, const ConstTensorView& a, const ConstTensorView& b) {
    if (!equal_extents(a, b)) input_error(theirs_.path, ": ", point, " is ", a, ", what is to be added is ", b);
    Tensor x(DType::f64, a), y(DType::f64, b), out(a.dtype, a);
    convert(a, x.view);
    convert(b, y.view);
    for (int64_t i = 0; i < a.size(); ++i) x.data<double>()[i] += y.data<double>()[i];
    convert(x.view, out.view);
    return keep(std::move(out));
  }
  ConstTensorView sum(const std::string& point, const ConstTensorView& a, const ConstTensorView& b) {
    used("residual: added to the hidden state", point);
    return plus(point, a, b);
  }

  /// What may be undone without being asked: axes of one, the fourth row of positions.
  ConstTensorView natural(const std::string& point, ConstTensorView v) {
    const std::string plain = split_step(point).point;
    if (stage_of(plain) < 0) return v;
    if (plain == "position_ids" && v.rank >= 2 && v.dim[0] == 4) {
      used("the first of four rows of positions was dropped", point);
      v = slice(v, 0, 1, 4);
    }
    const int rank = rank_of_point(plain);
    const bool one_in_front = v.rank == rank + 1 && (v.dim[0] == 1 || (plain == "position_ids" && v.dim[1] == 1));
    if (v.rank > rank && !one_in_front) {
      const bool from_back = plain == "model.visual.downsample" || plain == "model.visual.patch_embed";
      const ConstTensorView thin = without_ones(v, rank, from_back);
      if (thin.rank < v.rank) used("axes of 1 were dropped", point);
      v = thin;
    }
    if (rank == 3 && v.rank == 3 && config_ != nullptr) v = batch_of_wide_rows(point, v);
    return contiguous(v);
  }

  /// [1, T, heads * d] where [T, heads, d] is expected.
  ConstTensorView batch_of_wide_rows(const std::string& point, const ConstTensorView& v) {
    const Heads heads = heads_of(split_step(point).point);
    if (v.dim[2] == heads.width) return v;
    const ConstTensorView thin = without_ones(v, 2);
    if (thin.rank == 2) used("axes of 1 were dropped", point);
    return thin;
  }

  // ---- padding ----

  void cut_padding() {
    const auto mask = out_.tensors.find("attention_mask");
    if (mask == out_.tensors.end()) return;
    const ConstTensorView v = without_ones(mask->second, 1);
    if (v.rank != 1 || is_float(v.dtype)) return;
    Tensor values(DType::i64, v);
    convert(v, values.view);
    std::vector<int64_t> real;
    for (int64_t i = 0; i < v.dim[0]; ++i) {
      if (values.data<int64_t>()[i] != 0) real.push_back(i);
    }
    out_.tensors.erase(mask);
    if (static_cast<int64_t>(real.size()) == v.dim[0]) return;
    for (auto& [point, view] : out_.tensors) {
      const std::string plain = split_step(point).point;
      const int stage = stage_of(plain);
      const bool of_tokens = plain == "input_ids" || plain == "mm_token_type_ids" || plain == "position_ids" || stage >= 8;
      if (!of_tokens || split_step(point).step > 0) continue;
      int axis = 0;  // the first that is as long as the mask, behind a batch axis or the three rows of positions
      while (axis < view.rank && view.dim[axis] != v.dim[0]) ++axis;
      if (axis > 1 || axis == view.rank) continue;
      view = gathered(view, axis, real);
      used(concat("padding cut: ", v.dim[0] - static_cast<int64_t>(real.size()), " of ", v.dim[0], " rows"), point);
    }
  }

  const ForeignTensors& theirs_;
  const NameRules& names_;
  const ModelConfig* config_;
  OurLayout out_;
  std::map<std::string, int64_t> shards_;
  std::map<std::string, std::vector<Piece>> points_;
  std::map<std::string, std::pair<int64_t, std::string>> used_;
};

}  // namespace

OurLayout to_our_layout(const ForeignTensors& theirs, const NameRules& names, const ModelConfig* config) {
  return Undoing(theirs, names, config).run();
}

}  // namespace glmv
