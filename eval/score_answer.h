// What a rule gets to see of a reply: the boxed answer, without the reasoning.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// GLM's reward code: every outermost \boxed{...} as it stands, an unclosed one to the end; without any, the stripped
/// contents of outermost <|begin_of_box|> ... <|end_of_box|> pairs.
std::vector<std::string> glm_box_extract(std::string_view text);

/// lmms-eval's default: <think> and <analysis> blocks removed; with end tags only, what follows the last; stripped.
std::string without_reasoning_lmms(std::string_view text);
/// VLMEvalKit with SPLIT_THINK: what follows the last </think>, stripped.
std::string without_reasoning_vlmevalkit(std::string_view text);

struct Sample {
  bool answered = false, correct = false;
};
struct SampleAccuracy {
  double accuracy = 0;      ///< percent of answered ones
  double success_rate = 0;  ///< answered of all, 0 to 1
  bool reportable = false;  ///< success_rate >= 0.95
};
/// The GLM report's rule: failed requests leave the denominator, and a result stands if 95 % succeeded.
SampleAccuracy glm_failed_sample_rule(const std::vector<Sample>& samples);

}  // namespace glmv
