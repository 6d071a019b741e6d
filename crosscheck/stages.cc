// The ladder that a cross-check walks down. The first rule that fits names a point's stage.
#include "crosscheck/stages.h"

#include <regex>

namespace glmv {
namespace {

struct Rule {
  std::regex point;
  int stage;
};

const std::vector<Rule>& rules() {
  const auto rule = [](const char* pattern, int stage) { return Rule{std::regex(pattern), stage}; };
  static const std::vector<Rule> all = {
      rule("pixel_values(_videos)?", 1),
      rule("input_ids|mm_token_type_ids|(image|video)_grid_thw", 2),
      rule("position_ids|rope_delta", 3),
      rule("model\\.visual\\.(patch_embed|post_conv_layernorm)", 4),
      rule("model\\.visual\\.embeddings", 5),
      rule("model\\.visual\\.(rotary\\.(cos|sin)|blocks\\.\\d+(\\..+)?)", 6),
      rule("model\\.visual\\.(post_layernorm|downsample|merger)", 7),
      rule("inputs_embeds", 8),
      rule("model\\.language_model\\.(rotary\\.(cos|sin)|layers\\.\\d+(\\..+)?)", 9),
      rule("model\\.language_model\\.norm|logits", 10),
      rule("sampled_id", 11),
  };
  return all;
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

int stage_of(std::string_view name) {
  const std::string point = split_step(name).point;
  for (const Rule& r : rules()) {
    if (std::regex_match(point, r.point)) return r.stage;
  }
  return -1;
}

PointName split_step(std::string_view name) {
  static const std::regex prefix("step\\.(\\d{1,9})/(.*)");
  std::cmatch match;
  if (!std::regex_match(name.data(), name.data() + name.size(), match, prefix)) return {0, std::string(name)};
  return {std::stoll(match[1].str()), match[2].str()};
}

std::string join_step(int64_t step, std::string_view point) {
  if (step == 0) return std::string(point);
  return "step." + std::to_string(step) + '/' + std::string(point);
}

}  // namespace glmv
