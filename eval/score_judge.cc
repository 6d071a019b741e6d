#include "eval/score_judge.h"

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {

std::string chartmuseum_extract(std::string_view prediction) {
  constexpr std::string_view kBegin = "<answer>", kEnd = "</answer>";
  const size_t begin = prediction.find(kBegin);
  if (begin == std::string_view::npos) return "";
  const std::string_view rest = prediction.substr(begin + kBegin.size());
  return std::string(py::strip(rest.substr(0, rest.find(kEnd))));
}

bool chartmuseum_verdict(std::string_view judge_reply) { return py::contains(py::lower(judge_reply), "yes"); }

JudgeScore vlm_judge_threshold80(std::string_view judge_reply) {
  constexpr double kRight = 80;
  static const py::Regex boxed(R"(\\boxed\{(\d+)\})");
  const auto m = boxed.search(judge_reply);
  if (!m) return {};
  return {py::to_int(m->group(1)), *py::to_float(m->group(1)) >= kRight};
}

std::optional<int> webvoyager_verdict(std::string_view judge_reply) {
  if (py::contains(judge_reply, "NOT SUCCESS")) return 0;
  return py::contains(judge_reply, "SUCCESS") ? std::optional(1) : std::nullopt;
}

}  // namespace glmv
