#include "eval/score_strict.h"

#include <algorithm>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/score_answer.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::Regex;
using std::string;
using std::string_view;

string folded(string_view text) {
  const string small = py::lower(py::strip(py::strip(text), ".,;:!?*\"'` "));
  return py::join(py::split(small), " ");
}

/// A number with thousands commas where they belong, and whether a percent sign follows.
std::optional<std::pair<double, bool>> number_of(string_view text) {
  static const Regex grouped(R"([-+]?\d{1,3}(,\d{3})+(\.\d+)?)");
  string_view core = py::strip(text);
  const bool percent = core.ends_with('%');
  if (percent) core = py::strip(core.substr(0, core.size() - 1));
  if (core.ends_with('.')) core.remove_suffix(1);
  const auto value = py::to_float(grouped.full_match(core) ? py::replace(core, ",", "") : string(core));
  return value ? std::optional(std::pair(*value, percent)) : std::nullopt;
}

}  // namespace

string strict_answer(string_view reply) {
  const bool unclosed = py::contains(reply, "<think>") && !py::contains(reply, "</think>");
  if (unclosed) return "";
  const string_view rest = py::after_last(reply, "</think>");
  const auto boxes = glm_box_extract(rest);
  if (!boxes.empty()) return string(py::strip(boxes.back()));
  constexpr string_view kBegin = "<answer>", kEnd = "</answer>";
  if (!py::contains(rest, kBegin)) return string(py::strip(rest));
  const string_view inside = py::after_last(rest, kBegin);
  return string(py::strip(inside.substr(0, inside.find(kEnd))));
}

std::optional<string> strict_choice(string_view reply, const Options& options) {
  static const Regex letter(
      R"((?:(?:the )?(?:final |correct )?answer(?: is)?[:\s]*)?[*(\[{]*([A-Z])[*)\]}]*[.:]?\s*(.*))", py::kDotAll);
  static const Regex first(R"(^(?:The|the|Final|final|Correct|correct|Answer)\b)");
  const string answer = strict_answer(reply);
  const auto named = [&](const auto& option) { return folded(option.second) == folded(answer); };
  const auto texts = std::count_if(options.begin(), options.end(), named);
  if (texts == 1) return std::find_if(options.begin(), options.end(), named)->first;
  string start = answer;
  if (const auto m = first.match(answer)) start = py::lower(m->group()) + answer.substr(m->end());
  const auto m = letter.full_match(start);
  if (!m) return std::nullopt;
  const auto option =
      std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.first == m->group(1); });
  if (option == options.end()) return std::nullopt;
  const string behind = folded(m->group(2));
  return behind.empty() || behind == folded(option->second) ? std::optional(option->first) : std::nullopt;
}

bool strict_equal(string_view reply, string_view gold) {
  const string answer = strict_answer(reply);
  if (answer.empty()) return false;
  const auto a = number_of(answer), g = number_of(gold);
  if (a && g) return *a == *g;
  return folded(answer) == folded(gold);
}

}  // namespace glmv
