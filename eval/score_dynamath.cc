// DynaMath: the short answer inside a reply's JSON, else the whole reply, else what a judge makes of it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numbers>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/score_math.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using py::contains;
using py::Regex;
using std::string;
using std::string_view;

/// str.isdigit(): decimal digits, and the superscript and circled ones that float() then refuses.
bool all_digits(string_view text) {
  const std::u32string points = py::decode(text);
  return !points.empty() &&
         std::all_of(points.begin(), points.end(), [](char32_t c) { return py::digit_value(c) >= 0; });
}

std::variant<std::monostate, double, string> parse_float(string_view text) {
  if (all_digits(text)) return *py::to_float(text);
  const string_view first = text.substr(0, text.find(' '));
  const size_t pi = first.find("π");
  const auto number = py::to_float(first.substr(0, pi));
  if (!number) return {};
  return pi == string_view::npos ? *number : *number * std::numbers::pi;
}

std::variant<std::monostate, double, string> parse_choice(string_view text) {
  const string capitals = py::upper(text);
  if (py::length(text) == 1) return capitals;
  string found;
  for (const char letter : string_view("ABCDE")) {
    if (contains(capitals, string_view(&letter, 1))) found += letter;
  }
  if (found.size() == 1) return found;
  return {};
}

std::variant<std::monostate, double, string> parse_answer(string_view text, const string& type) {
  if (type == "float") return parse_float(text);
  if (type == "multiple choice") return parse_choice(text);
  return string(text);
}

/// From the first to the last brace, without backslashes.
string without_wrapping(string_view text) {
  const size_t open = text.find('{'), close = text.rfind('}');
  if (open != string_view::npos && close != string_view::npos && open < close)
    text = text.substr(open, close - open + 1);
  return py::replace(text, "\\", "");
}

using Answer = std::variant<std::monostate, double, string>;

bool is_parsed(const Answer& answer) { return answer.index() != 0; }

/// The text as Python's json.loads(strict=False) would take it: raw control characters in strings, and its words for
/// numbers that are not finite. There are no escapes: the backslashes are gone.
string as_strict_json(string_view text) {
  string out;
  bool in_string = false;
  for (const char c : text) {
    if (c == '"') in_string = !in_string;
    const auto byte = static_cast<unsigned char>(c);
    if (in_string && byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += c;
    }
  }
  static const Regex not_finite(R"((?<=[:,\[\s])(?:NaN|-?Infinity)(?=\s*[,}\]]))");
  return not_finite.replace(out, "null");
}

/// The "short answer" of a JSON object; none if there is no such text.
std::optional<string> short_answer(string_view text) {
  const auto object = nlohmann::json::parse(as_strict_json(text), nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find("short answer");
  return found != object.end() && found->is_string() ? std::optional(found->get<string>()) : std::nullopt;
}

bool is_correct(const Answer& extracted, const string& type, string_view reply, string_view gold) {
  constexpr double kTolerance = 0.001;
  constexpr size_t kFirstCharacters = 3;
  if (type == "float") {
    const auto wanted = py::to_float(gold);
    if (!wanted) input_error("answer is ", gold, ", not a number");
    const double* value = std::get_if<double>(&extracted);
    return value != nullptr && std::abs(*value - *wanted) <= kTolerance;
  }
  const string* text = std::get_if<string>(&extracted);
  if (type == "multiple choice")
    return text != nullptr ? *text == gold : contains(py::upper(py::head(reply, kFirstCharacters)), gold);
  return text != nullptr && contains(py::lower(gold), py::lower(*text));
}

}  // namespace

DynamathResult dynamath_item(string_view prediction, const string& answer_type, string_view answer,
                             string_view judge_reply) {
  const string reply = without_wrapping(prediction);
  Answer extracted;
  if (const auto text = short_answer(reply)) extracted = parse_answer(*text, answer_type);
  if (!is_parsed(extracted)) extracted = parse_answer(reply, answer_type);
  if (!is_parsed(extracted)) extracted = parse_answer(judge_reply, answer_type);
  return {is_parsed(extracted), extracted, is_correct(extracted, answer_type, reply, answer)};
}

}  // namespace glmv
