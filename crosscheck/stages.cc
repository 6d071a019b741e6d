// The ladder that a cross-check walks down. Names come from files of strangers: they are taken apart by hand, in time
// that grows with their length and no stack.
#include "crosscheck/stages.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <tuple>

namespace glmv {
namespace {

constexpr std::string_view kBlocks = "model.visual.blocks.", kLayers = "model.language_model.layers.";

struct Known {
  std::string_view point;
  int stage;
};

/// Points outside of blocks and layers, in the order of the forward pass.
constexpr Known kPoints[] = {
    {"pixel_values", 1},
    {"pixel_values_videos", 1},
    {"input_ids", 2},
    {"mm_token_type_ids", 2},
    {"image_grid_thw", 2},
    {"video_grid_thw", 2},
    {"position_ids", 3},
    {"rope_delta", 3},
    {"model.visual.patch_embed", 4},
    {"model.visual.post_conv_layernorm", 4},
    {"model.visual.embeddings", 5},
    {"model.visual.rotary.cos", 6},
    {"model.visual.rotary.sin", 6},
    {kBlocks, 6},
    {"model.visual.post_layernorm", 7},
    {"model.visual.downsample", 7},
    {"model.visual.merger", 7},
    {"inputs_embeds", 8},
    {"model.language_model.rotary.cos", 9},
    {"model.language_model.rotary.sin", 9},
    {kLayers, 9},
    {"model.language_model.norm", 10},
    {"logits", 10},
    {"sampled_id", 11},
};

/// What is inside a block of the tower or a decoder layer, in the order of the forward pass; "" is its output.
constexpr std::string_view kInner[] = {
    "norm1",
    "input_layernorm",
    "attn.q",
    "attn.k",
    "attn.v",
    "attn.context",
    "attn",
    "self_attn.q",
    "self_attn.k",
    "self_attn.v",
    "self_attn.q_rot",
    "self_attn.k_rot",
    "self_attn.context",
    "self_attn",
    "post_self_attn_layernorm",
    "norm2",
    "post_attention_layernorm",
    "mlp.gate.logits",
    "mlp.gate.topk_ids",
    "mlp.gate.topk_weights",
    "mlp.experts",
    "mlp.shared_experts",
    "mlp",
    "post_mlp_layernorm",
    "",
};

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

/// Up to nine digits at the front, which are taken off; nothing if there is none or there are more.
std::optional<int64_t> take_number(std::string_view& text) {
  int64_t value = 0;
  size_t n = 0;
  for (; n < text.size() && text[n] >= '0' && text[n] <= '9'; ++n) {
    if (n == 9) return {};
    value = 10 * value + (text[n] - '0');
  }
  if (n == 0) return {};
  text.remove_prefix(n);
  return value;
}

template <class Table, class Equal>
int64_t index_in(const Table& table, const Equal& equal) {
  const auto found = std::find_if(std::begin(table), std::end(table), equal);
  return found - std::begin(table);
}

/// Place of a point outside of any layer, or of its kind of layer, in kPoints; its size for an unknown one.
int64_t place_of(const LayerPoint& at) {
  return index_in(kPoints, [&](const Known& k) { return k.point == at.stem; });
}

auto forward_key(const std::string& name) {
  const PointName at = split_step(name);
  const LayerPoint point = split_layer(at.point);
  const int64_t inner = index_in(kInner, [&](std::string_view known) { return known == point.inner; });
  return std::tuple(at.step, place_of(point), point.layer, inner, name);
}

}  // namespace

const std::vector<Stage>& stages() {
  static const std::vector<Stage> all = {
      {0, "config"},          {1, "pixels"},         {2, "token ids, grids"}, {3, "position ids"},
      {4, "patch embedding"}, {5, "position table"}, {6, "vision blocks"},    {7, "merger"},
      {8, "splice"},          {9, "decoder layers"}, {10, "logits"},          {11, "sampled ids"},
  };
  return all;
}

const char* stage_name(int number) {
  for (const Stage& s : stages()) {
    if (s.number == number) return s.name;
  }
  return "?";
}

LayerPoint split_layer(std::string_view point) {
  for (const std::string_view stem : {kBlocks, kLayers}) {
    if (!starts_with(point, stem)) continue;
    std::string_view rest = point.substr(stem.size());
    const std::optional<int64_t> layer = take_number(rest);
    if (!layer) break;
    if (rest.empty()) return {stem, *layer, {}};
    if (rest.size() > 1 && rest[0] == '.') return {stem, *layer, rest.substr(1)};
  }
  return {point, -1, {}};
}

int stage_of(std::string_view name) {
  const std::string point = split_step(name).point;
  const LayerPoint at = split_layer(point);
  if (at.layer < 0 && (at.stem == kBlocks || at.stem == kLayers)) return -1;
  const auto place = static_cast<size_t>(place_of(at));
  return place < std::size(kPoints) ? kPoints[place].stage : -1;
}

PointName split_step(std::string_view name) {
  constexpr std::string_view kStep = "step.";
  if (starts_with(name, kStep)) {
    std::string_view rest = name.substr(kStep.size());
    const std::optional<int64_t> step = take_number(rest);
    if (step && starts_with(rest, "/")) return {*step, std::string(rest.substr(1))};
  }
  return {0, std::string(name)};
}

std::string join_step(int64_t step, std::string_view point) {
  if (step == 0) return std::string(point);
  return "step." + std::to_string(step) + '/' + std::string(point);
}

bool ForwardOrder::operator()(const std::string& a, const std::string& b) const {
  return forward_key(a) < forward_key(b);
}

}  // namespace glmv
