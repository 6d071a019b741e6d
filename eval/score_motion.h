// MotionBench and Video-MMMU: questions with their options inside, counts of answered ones.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

struct MotionQuestion {
  std::string question;
  std::vector<std::pair<std::string, std::string>> options;  ///< label, text
};
/// lmms-eval: the stem and the option lines "X.", "X)" or "X:" of a question.
MotionQuestion motionbench_split(std::string_view text);

struct MotionAccuracy {
  int right = 0, total = 0;
  int answered = 0;                ///< those whose gold is "NA" too
  std::optional<double> accuracy;  ///< right / total; none if nothing counts
};
/// The published script: unanswered questions count as wrong, answered ones with the gold "NA" do not count.
MotionAccuracy motionbench_accuracy(const std::vector<std::pair<std::string, std::string>>& uid_and_answer,
                                    const std::map<std::string, std::string>& model_answers);

}  // namespace glmv
