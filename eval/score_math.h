// Rules of the mathematics benchmarks: MathVista, MATH-Vision, DynaMath, LogicVista.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace glmv {

struct MathvistaAnswer {
  std::string question_type;  ///< "multi_choice", "free_form"
  std::string answer_type;    ///< "integer", "float", "list", "text"
  std::optional<std::vector<std::string>> choices;
  std::optional<int> precision;  ///< digits behind the point
};

/// An extracted answer in the form of the gold; none if it cannot be one. lmms-eval and the authors' script.
std::optional<std::string> mathvista_normalize(std::string_view extraction, const MathvistaAnswer& kind);
/// Equal once both are stripped (lmms-eval). The authors' script compares them as they are.
bool mathvista_equal(const std::optional<std::string>& normalized, std::string_view answer);

/// VLMEvalKit's check. `choices` is the text of a Python list, `answer_option` the gold letter.
/// Error (exit code 3) for a multiple-choice question whose choices are no list.
bool mathvista_vlmevalkit_check(const std::string& question_type, const std::string& answer_type,
                                std::string_view answer, std::string_view answer_option, std::string_view choices,
                                std::string_view reply);

/// VLMEvalKit: equal as texts, as Python arithmetic, or as LaTeX that prints without names.
bool mathvision_is_equal(std::string_view prediction, std::string_view answer);
/// lmms-eval and the authors: equal as texts, element by element, or as LaTeX to two decimals; roots and pi known.
bool mathvision_is_equal_lmms(std::string_view prediction, std::string_view answer);
/// The answer in the last box, in the normal form of the MATH data set (lmms-eval and the authors).
std::string mathvision_find_answer(std::string_view text);

struct DynamathResult {
  bool parsed = false;
  std::variant<std::monostate, double, std::string> extracted;
  bool correct = false;
};
/// VLMEvalKit. `answer_type` is "float", "multiple choice" or anything else for a text.
DynamathResult dynamath_item(std::string_view prediction, const std::string& answer_type, std::string_view answer,
                             std::string_view judge_reply);

struct LogicvistaResult {
  bool parsed = false, hit = false;
};
/// VLMEvalKit: the letters a judge names against the gold's, split at ", ".
LogicvistaResult logicvista_letters(std::string_view judge_output, std::string_view answer);

}  // namespace glmv
