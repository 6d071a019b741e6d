#include "eval/score_number.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "eval/literal.h"
#include "eval/number.h"
#include "eval/regex.h"
#include "eval/score_anls.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using py::Regex;
using std::string;
using std::string_view;

constexpr double kTolerance = 0.05;

std::optional<double> with_percent(string_view text) {
  if (!text.ends_with('%')) return py::to_float(text);
  const auto number = py::to_float(py::rstrip(text, "%"));
  return number ? std::optional(*number / 100) : std::nullopt;
}

bool is_within(double reply, double gold) { return std::abs(reply - gold) / std::abs(gold) <= kTolerance; }

/// The elements of a valid list literal as texts; none for anything else and for an empty list.
std::optional<py::Strings> list_elements(string_view text) {
  const auto value = py::literal(text);
  if (!value || value->kind != py::Value::Kind::list || value->items.empty()) return std::nullopt;
  py::Strings out;
  for (const py::Value& item : value->items) out.emplace_back(py::strip(py::str(item), " '"));
  return out;
}

/// A gold in square brackets with its bare words quoted.
std::optional<py::Strings> repaired_elements(string_view text) {
  static const Regex brackets(R"(^\[(.*)\]$)"), bare(R"((?<!['\w])(\w[^,]*?)(?!['\w]))");
  const auto m = brackets.match(py::strip(text));
  if (!m) return std::nullopt;
  return list_elements(
      "[" + bare.replace(m->group(1), [](const py::Match& word) { return "'" + string(word.group(1)) + "'"; }) + "]");
}

py::Strings gold_elements(string_view text) {
  if (const auto repaired = repaired_elements(text)) return *repaired;
  return list_elements(text).value_or(py::Strings{string(text)});
}

bool is_exact(string_view a, string_view b) {
  const string x = py::lower(py::strip(a)), y = py::lower(py::strip(b));
  return x == y;
}

double element_score(string_view target, string_view prediction) {
  constexpr double kThreshold = 0.5;
  const auto core = [](string_view text) { return py::strip(py::strip(py::strip(text), "%")); };
  const auto number = [](string_view text) { return py::to_float(py::strip(py::strip(text), "%")); };
  const string_view t = core(target), p = core(prediction);
  const auto gold = number(t), reply = number(p);
  if (!gold || !reply) return anls_package(py::lower(t), py::lower(p), kThreshold);
  if (*gold == 0) return *reply == 0 ? 1 : 0;
  return is_within(*reply, *gold) ? 1 : 0;
}

double relaxed(const ChartqaproRow& row, string_view gold, string_view reply, bool exact) {
  const py::Strings golds = gold_elements(gold), replies = list_elements(reply).value_or(py::Strings{string(reply)});
  py::Strings year = row.year;
  if (row.question_type == "Conversational" && year.size() > 1) year.erase(year.begin(), year.end() - 1);
  if (year.empty()) year.emplace_back("NO");
  const size_t flags = year.size();
  double sum = 0;
  for (size_t i = 0; i < std::min(golds.size(), replies.size()); ++i) {
    // Too few flags are repeated as a whole.
    const string& flag = year[i % flags];
    const bool exactly = exact || py::upper(flag) == "YES";
    sum += exactly ? (is_exact(golds[i], replies[i]) ? 1 : 0) : element_score(golds[i], replies[i]);
  }
  return sum / static_cast<double>(std::max(golds.size(), replies.size()));
}

string_view last_answer(const ChartqaproRow& row) {
  if (row.answers.empty()) input_error("Answer: the list is empty");
  return row.answers.back();
}

string_view bare(string_view text) { return py::strip(py::strip(text, "."), "\n"); }

}  // namespace

bool relaxed_accuracy(string_view target, string_view prediction) {
  const auto gold = with_percent(target), reply = with_percent(prediction);
  if (reply && gold && *gold != 0) return is_within(*reply, *gold);
  return py::lower(prediction) == py::lower(target);
}

double chartqapro_relaxed(const ChartqaproRow& row, string_view prediction) {
  return relaxed(row, bare(last_answer(row)), bare(prediction), false);
}

double chartqapro_relaxed_exact_mc(const ChartqaproRow& row, string_view prediction) {
  const bool exact = row.question_type == "Fact Checking" || row.question_type == "Multi Choice";
  return relaxed(row, bare(py::strip(last_answer(row))), bare(py::strip(prediction)), exact);
}

}  // namespace glmv
