#include "eval/score_motion.h"

#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {
namespace {

std::string squeezed(std::string_view text) {
  static const py::Regex blanks(R"(\s+)");
  return blanks.replace(py::strip(text), " ");
}

}  // namespace

MotionQuestion motionbench_split(std::string_view text) {
  static const py::Regex option(R"((^|\n)\s*([A-F])[.):]\s*(.*?)\s*(?=(\n\s*[A-F][.):]\s)|$))", py::kDotAll);
  const std::string_view core = py::strip(text);
  const auto found = option.all(core);
  MotionQuestion out;
  for (const py::Match& m : found) {
    const std::string content = squeezed(m.group(3));
    if (!content.empty()) out.options.emplace_back(m.group(2), content);
  }
  if (!found.empty()) out.question = squeezed(core.substr(0, found[0].start()));
  if (out.question.empty()) out.question = squeezed(core);
  return out;
}

MotionAccuracy motionbench_accuracy(const std::vector<std::pair<std::string, std::string>>& uid_and_answer,
                                    const std::map<std::string, std::string>& model_answers) {
  MotionAccuracy out;
  for (const auto& [uid, answer] : uid_and_answer) {
    const auto given = model_answers.find(uid);
    const bool answered = given != model_answers.end();
    if (answered) ++out.answered;
    if (answered && answer == "NA") continue;
    ++out.total;
    if (answered && given->second == answer) ++out.right;
  }
  if (out.total > 0) out.accuracy = static_cast<double>(out.right) / out.total;
  return out;
}

}  // namespace glmv
