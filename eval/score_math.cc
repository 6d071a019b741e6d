#include "eval/score_math.h"

#include <algorithm>
#include <cmath>

#include "eval/edit_distance.h"
#include "eval/literal.h"
#include "eval/number.h"
#include "eval/regex.h"
#include "eval/score_choice.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using py::contains;
using py::Regex;
using std::string;
using std::string_view;

/// The option that a letter in brackets, a bare capital or the smallest edit distance points at.
string option_of(string_view extraction, const std::vector<string>& choices) {
  static const Regex bracketed(R"(\(([a-zA-Z])\))");
  string text(py::strip(extraction));
  if (const auto m = bracketed.search(text)) text = py::upper(m->group(1));
  if (text.size() == 1 && text[0] >= 'A' && static_cast<size_t>(text[0] - 'A') < choices.size())
    return choices[static_cast<size_t>(text[0] - 'A')];
  return *std::min_element(choices.begin(), choices.end(), [&](const string& a, const string& b) {
    return edit_distance(text, a) < edit_distance(text, b);
  });
}

Options lettered(const std::vector<py::Value>& choices) {
  Options out;
  for (size_t i = 0; i < choices.size(); ++i)
    out.emplace_back(string(1, static_cast<char>('A' + i)), py::str(choices[i]));
  return out;
}

}  // namespace

std::optional<string> mathvista_normalize(string_view extraction, const MathvistaAnswer& kind) {
  if (kind.question_type == "multi_choice") {
    if (!kind.choices || kind.choices->empty()) input_error("choices: a multi_choice question needs them");
    return option_of(extraction, *kind.choices);
  }
  if (kind.answer_type == "integer") {
    const auto number = py::to_float(extraction);
    return number && std::isfinite(*number) ? std::optional(py::int_text(*number)) : std::nullopt;
  }
  if (kind.answer_type == "float") {
    const auto number = py::to_float(extraction);
    return number && kind.precision ? std::optional(py::repr(py::round(*number, *kind.precision))) : std::nullopt;
  }
  return string(extraction);
}

bool mathvista_equal(const std::optional<string>& normalized, string_view answer) {
  // None is compared as the text that Python prints for it.
  return py::strip(normalized ? string_view(*normalized) : string_view("None")) == py::strip(answer);
}

bool mathvista_vlmevalkit_check(const string& question_type, const string& answer_type, string_view answer,
                                string_view answer_option, string_view choices, string_view reply) {
  if (question_type == "multi_choice") {
    const auto list = py::literal(choices);
    constexpr size_t kMostOptions = 26;
    if (!list || list->kind != py::Value::Kind::list || list->items.size() > kMostOptions)
      input_error("choices is ", choices.substr(0, 60), ", not the text of a list of at most ", kMostOptions);
    const auto letter = mc_can_infer(reply, lettered(list->items));
    return letter && *letter == answer_option;
  }
  if (answer_type == "integer") {
    const auto a = py::to_int(answer), r = py::to_int(reply);
    return a && r && *a == *r;
  }
  if (answer_type == "float") {
    const auto a = py::to_float(answer), r = py::to_float(reply);
    return a && r && *a == *r;
  }
  return answer == "None";  // the reply is not looked at
}

LogicvistaResult logicvista_letters(string_view judge_output, string_view answer) {
  const std::u32string named = py::decode(judge_output);
  const bool letters = std::all_of(named.begin(), named.end(), [](char32_t c) { return py::is_alpha(c); });
  if (!letters || !py::is_upper(judge_output)) return {};
  py::Strings golds;
  for (const string_view gold : py::split(answer, ", ")) golds.push_back(py::lower(gold));
  std::sort(golds.begin(), golds.end());
  py::Strings found;
  for (const char32_t c : named) found.push_back(py::lower(py::encode({&c, 1})));
  std::sort(found.begin(), found.end());
  return {true, py::join(found, "") == py::join(golds, "")};
}

}  // namespace glmv
