// Start at run(): rename, apply each tensor's rules, put the pieces of each point together, cut padding.
#include "crosscheck/layout.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "crosscheck/pieces.h"
#include "crosscheck/stages.h"
#include "crosscheck/theirs.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr std::string_view kTower = "model.visual.", kBlocks = "model.visual.blocks",
                           kLayers = "model.language_model.layers";

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }
bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

class Undoing {
 public:
  Undoing(const ForeignTensors& theirs, const NameRules& names, const ModelConfig* config)
      : theirs_(theirs), names_(names), config_(config) {}

  OurLayout run() {
    count_shards();
    for (const auto& [name, view] : theirs_.tensors) place(name, view);
    const Assembly assembly{theirs_.path, config_, out_.rearranged, log_, out_.warnings};
    for (const auto& [point, pieces] : points_) {
      const Assembled whole = put_together(assembly, point, pieces);
      if (whole.view) out_.tensors[point] = natural(point, whole.view);
      for (const HeldByRank& other : whole.others) out_.ranks[point].push_back({other.who, natural(point, other.view)});
    }
    cut_padding();
    out_.notes = log_.sentences();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& name, const std::string& rule, const ConstTensorView& v,
                           const std::string& why) const {
    input_error(theirs_.path, ": ", name, " is ", v, ", which layout rule ", rule, " does not fit: ", why);
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
    // Rules come from a map; an @ in a name of the file is part of the name.
    const bool ruled = mapped != base;
    for (size_t at = mapped.rfind('@'); ruled && at != std::string::npos; at = mapped.rfind('@')) {
      rules.insert(rules.begin(), mapped.substr(at + 1));
      mapped.resize(at);
    }
    Piece piece{view, std::max<int64_t>(shard, 0), shard < 0 ? 1 : shards_.at(base), false, false, base};
    apply(mapped.empty() ? base : mapped, rules, piece);
  }

  void add(const std::string& point, const Piece& piece) { points_[point].push_back(piece); }

  void apply(std::string point, const std::vector<std::string>& rules, Piece piece) {
    for (const std::string& rule : rules) {
      if (rule == "ignored") return log_.used("left out, no points of ours", point);
      if (config_ == nullptr && needs_config(rule)) {
        log_.used(concat("left as it is, for @", rule, " needs the numbers of a model"), point);
        continue;
      }
      if (rule == "qkv" || rule == "qkv_by_group") return take_qkv_apart(point, rule, piece);
      if (rule == "residual") {
        piece.addend = true;
      } else if (rule == "norm_after_attention") {
        point = of_family(point);
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
        usage_error("layout rule @", rule, " of ", point,
                    ": known are qkv, qkv_by_group, residual, input, same, last, "
                    "transposed, heads_first, each_angle_twice, half_split, norm_after_attention, ignored");
      }
    }
    add(point, piece);
  }

  static bool needs_config(const std::string& rule) {
    return rule == "qkv" || rule == "qkv_by_group" || rule == "last" || rule == "half_split";
  }

  /// The dense family has a norm between attention and residual, and programs give it the name that the norm in front
  /// of the MLP has in the other.
  std::string of_family(const std::string& point) {
    constexpr std::string_view kNorm = "post_attention_layernorm";
    if (config_ == nullptr || config_->family != Family::dense || !ends_with(point, kNorm)) return point;
    log_.used("norm_after_attention: it stands before the residual in the dense family", point);
    return concat(point.substr(0, point.size() - kNorm.size()), "post_self_attn_layernorm");
  }

  /// The input of a layer is the output of the one before.
  std::string before(const std::string& name) {
    const PointName at = split_step(name);
    const LayerPoint layer = split_layer(at.point);
    if (layer.layer < 0) usage_error("layout rule @input of ", name, ": not a layer");
    log_.used("the input of a layer stands for the output of the one before", name);
    const bool tower = starts_with(at.point, kTower);
    if (layer.layer == 0) return join_step(at.step, tower ? "model.visual.embeddings" : "inputs_embeds");
    return join_step(at.step, concat(layer.stem, layer.layer - 1));
  }
  std::string last_of(const std::string& name) {
    const PointName at = split_step(name);
    const ModelConfig& c = *config_;
    if (at.point != kBlocks && at.point != kLayers)
      usage_error("layout rule @last of ", name, ": not a stack of layers");
    log_.used("the input of the last norm stands for the output of the last layer", name);
    return join_step(at.step, concat(at.point, '.', (at.point == kBlocks ? c.vision.depth : c.text.num_layers) - 1));
  }

  // ---- rules on one tensor ----

  ConstTensorView exchange(const std::string& point, const std::string& rule, ConstTensorView v) {
    const int rank = rule == "transposed" ? 2 : 3;
    v = without_ones(v, rank);
    if (v.rank != rank) refuse(point, rule, v, concat("it has not ", rank, " axes"));
    log_.used(rule == "transposed" ? "transposed: two axes exchanged" : "heads_first: heads put behind tokens", point);
    return out_.rearranged.contiguous(with_axes_exchanged(v, 0, 1));
  }

  void take_qkv_apart(const std::string& name, const std::string& rule, const Piece& piece) {
    if (!ends_with(name, ".qkv")) usage_error("layout rule @", rule, " of ", name, ": the name does not end in .qkv");
    const std::string stem = name.substr(0, name.size() - 3);
    const Heads all = heads_of(*config_, split_step(name).point);
    ConstTensorView v = without_ones(piece.view, 2);
    if (v.rank < 2) refuse(name, rule, v, "it has no row per token");
    v = as_rows(out_.rearranged.contiguous(v));
    const int64_t ranks = v.dim[1] == (all.query + 2 * all.kv) * all.width ? 1 : piece.shards;  // 1: each has it whole
    const int64_t query = all.query / ranks, kv = std::max<int64_t>(1, all.kv / ranks);
    if (v.dim[1] != (query + 2 * kv) * all.width)
      refuse(name, rule, v, concat("a row should be (", query, " + 2 * ", kv, ") heads of ", all.width));
    const ConstTensorView heads = reshape(v, {v.dim[0], query + 2 * kv, all.width});
    log_.used(
        rule == "qkv" ? "qkv: query, key and value taken apart" : "qkv_by_group: query, key and value taken apart",
        name);
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
    piece.view = out_.rearranged.gathered(heads, 1, wanted);
    add(point, piece);
  }

  ConstTensorView each_angle_once(const std::string& point, ConstTensorView v) {
    v = out_.rearranged.contiguous(without_ones(v, 2));
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
    log_.used("each_angle_twice: one of each kept", point);
    return out_.rearranged.gathered(v, 1, halves ? first : even);
  }

  /// Column j and R/2 + j of a head become 2j and 2j + 1, in the family that rotates neighbours.
  ConstTensorView pairs_together(const std::string& point, ConstTensorView v) {
    const ModelConfig& c = *config_;
    if (c.family != Family::dense || starts_with(split_step(point).point, kTower)) return v;
    const int64_t d = c.text.head_dim, rotary = c.text.rotary_dim;
    v = without_ones(v, 2);
    if (v.rank < 2) refuse(point, "half_split", v, "it has no row per token");
    v = as_rows(out_.rearranged.contiguous(v));
    if (v.dim[1] % d != 0) refuse(point, "half_split", v, concat("a row is no whole number of heads of ", d));
    std::vector<int64_t> from;
    for (int64_t j = 0; j < d; ++j) from.push_back(j >= rotary ? j : j % 2 == 0 ? j / 2 : rotary / 2 + j / 2);
    log_.used("half_split: rows of query and key put back in pairs", point);
    return out_.rearranged.gathered(reshape(v, {v.dim[0], v.dim[1] / d, d}), 2, from);
  }

  // ---- a whole point ----

  /// What may be undone without being asked: axes of one, the fourth row of positions.
  ConstTensorView natural(const std::string& point, ConstTensorView v) {
    const std::string plain = split_step(point).point;
    if (stage_of(plain) < 0) return v;
    if (plain == "position_ids" && v.rank >= 2 && v.dim[0] == 4) {
      log_.used("the first of four rows of positions was dropped", point);
      v = slice(v, 0, 1, 4);
    }
    const int rank = rank_of_point(plain);
    if (v.rank == 0 && rank == 1) {
      log_.used("a scalar was read as one element", point);
      return reshape(v, {1});
    }
    const bool one_in_front = v.rank == rank + 1 && (v.dim[0] == 1 || (plain == "position_ids" && v.dim[1] == 1));
    if (v.rank > rank && !one_in_front) {
      const bool from_back = plain == "model.visual.downsample" || plain == "model.visual.patch_embed";
      const ConstTensorView thin = without_ones(v, rank, from_back);
      if (thin.rank < v.rank) log_.used("axes of 1 were dropped", point);
      v = thin;
    }
    if (rank == 3 && v.rank == 3 && config_ != nullptr) v = batch_of_wide_rows(point, v);
    return out_.rearranged.contiguous(v);
  }

  /// [1, T, heads * d] where [T, heads, d] is expected.
  ConstTensorView batch_of_wide_rows(const std::string& point, const ConstTensorView& v) {
    const Heads heads = heads_of(*config_, split_step(point).point);
    if (v.dim[2] == heads.width) return v;
    const ConstTensorView thin = without_ones(v, 2);
    if (thin.rank == 2) log_.used("axes of 1 were dropped", point);
    return thin;
  }

  // ---- padding ----

  void cut_padding() {
    const auto mask = out_.tensors.find("attention_mask");
    if (mask == out_.tensors.end()) return;
    out_.ranks.erase("attention_mask");
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
    for (auto& [point, view] : out_.tensors) keep_tokens(point, v.dim[0], real, view);
    for (auto& [point, others] : out_.ranks) {
      for (HeldByRank& other : others) keep_tokens(point, v.dim[0], real, other.view);
    }
  }
  /// Of a point with a row per token, these tokens of `all`.
  void keep_tokens(const std::string& point, int64_t all, const std::vector<int64_t>& real, ConstTensorView& view) {
    const std::string plain = split_step(point).point;
    const bool of_tokens =
        plain == "input_ids" || plain == "mm_token_type_ids" || plain == "position_ids" || stage_of(plain) >= 8;
    if (!of_tokens || split_step(point).step > 0) return;
    int axis = 0;  // the first that is as long as the mask, behind a batch axis or the three rows of positions
    while (axis < view.rank && view.dim[axis] != all) ++axis;
    if (axis > 1 || axis == view.rank) return;
    view = out_.rearranged.gathered(view, axis, real);
    log_.used(concat("padding cut: ", all - static_cast<int64_t>(real.size()), " of ", all, " rows"), point);
  }

  const ForeignTensors& theirs_;
  const NameRules& names_;
  const ModelConfig* config_;
  OurLayout out_;
  std::map<std::string, int64_t> shards_;
  std::map<std::string, std::vector<Piece>> points_;
  RuleLog log_;
};

}  // namespace

OurLayout to_our_layout(const ForeignTensors& theirs, const NameRules& names, const ModelConfig* config) {
  return Undoing(theirs, names, config).run();
}

}  // namespace glmv
