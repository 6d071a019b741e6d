// Actions in agents' replies, and scores of recorded episodes.
#pragma once

#include <array>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// The object between the box tokens as JSON or as a Python literal; null if there is none.
nlohmann::json androidworld_action_parse(std::string_view response);

/// GLM-V's offline reward: 0 for other keys, else the product over the fields of equality, of the common subsequence
/// of "text" and of the overlap of "box_2d".
double androidworld_step_reward(const nlohmann::json& ground_truth, const nlohmann::json& predicted);

struct Episode {
  bool done = false;
  double success = 0;
};
/// Mean of the success of episodes that the agent ended itself, 0 for others.
double androidworld_success_rate(const std::vector<Episode>& episodes);

struct OsworldAction {
  std::string type;
  std::optional<std::array<std::string, 2>> start, end;  ///< digits of x and y, 0 to 999
  std::map<std::string, std::string> texts;              ///< direction, content, keys, element_info as present
  std::optional<std::string> step;                       ///< digits
};
/// name(arguments); none without an opening bracket and for quotes or brackets that do not match.
std::optional<OsworldAction> osworld_action_parse(std::string_view response);

/// Percent: 100 times the mean of scores from 0 to 1.
double osworld_mean_score(const std::vector<double>& scores);

}  // namespace glmv
