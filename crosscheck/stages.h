// The stages of a forward pass, in the order in which an error travels through them, and the names of its points.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glmv {

struct Stage {
  int number;
  const char* name;
};

/// 0 config .. 11 sampled ids.
const std::vector<Stage>& stages();
const char* stage_name(int number);

/// The stage of a trace point; the "step.{n}/" of a decode step does not matter. -1 for a name we do not know.
int stage_of(std::string_view point);

/// "step.3/logits" -> {3, "logits"}; a point of the prompt has step 0.
struct PointName {
  int64_t step = 0;
  std::string point;
};
PointName split_step(std::string_view name);
std::string join_step(int64_t step, std::string_view point);

/// "model.visual.blocks.3.attn.q" -> {"model.visual.blocks.", 3, "attn.q"}: a point of a tower's block or of a decoder
/// layer. A name that is neither has layer -1 and is all stem.
struct LayerPoint {
  std::string_view stem;
  int64_t layer = -1;
  std::string_view inner;  ///< empty: the layer's own output
};
LayerPoint split_layer(std::string_view point);

/// Ends of names: the experts that tokens go to, and the logits by which they are chosen.
inline constexpr std::string_view kTopkIds = ".mlp.gate.topk_ids", kGateLogits = ".mlp.gate.logits";
inline bool is_choice(std::string_view name) { return name.ends_with(kTopkIds); }

/// Sorts names as the forward pass reaches them: step, stage, layer, place in the layer. Unknown names come last.
struct ForwardOrder {
  bool operator()(const std::string& a, const std::string& b) const;
};

}  // namespace glmv
