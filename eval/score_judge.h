// What a judge's reply says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glmv {

/// ChartMuseum: the stripped text of the first <answer>, which need not be closed; "" without one.
std::string chartmuseum_extract(std::string_view prediction);
/// ChartMuseum: is "yes" anywhere in the lower-cased reply?
bool chartmuseum_verdict(std::string_view judge_reply);

/// The score in the first \boxed{digits}; none without one. Right from 80 on (GLM report, Design2Code and Flame).
struct JudgeScore {
  std::optional<std::string> score;  ///< its digits
  bool correct = false;
};
JudgeScore vlm_judge_threshold80(std::string_view judge_reply);

/// 0 for NOT SUCCESS, 1 for SUCCESS, none for neither.
std::optional<int> webvoyager_verdict(std::string_view judge_reply);

}  // namespace glmv
