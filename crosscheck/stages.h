// The stages of a forward pass, in the order in which an error travels through them.
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

/// The stage of a trace point; the "step.{n}/" of a decode step does not matter. -1 for a name we do not know.
int stage_of(std::string_view point);

/// "step.3/logits" -> {3, "logits"}; a point of the prompt has step 0.
struct PointName {
  int64_t step = 0;
  std::string point;
};
PointName split_step(std::string_view name);
std::string join_step(int64_t step, std::string_view point);

}  // namespace glmv
