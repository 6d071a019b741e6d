#include "eval/step_ops.h"

#include "data/json_node.h"
#include "data/utf8.h"
#include "eval/algorithms.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

bool is_among(const Json& value, const Json& list) {
  for (const Json& one : list) {
    if (text_of(one) == text_of(value)) return true;
  }
  return false;
}

/// MathVista takes a reply that already is an answer as it stands.
Json mathvista_shortcut(const Json& values) {
  const Json& reply = values.at("reply");
  if (values.at("question_type") == "multi_choice") return is_among(reply, values.at("choice_list")) ? reply : Json();
  if (values.at("answer_type") != "integer" && values.at("answer_type") != "float") return {};
  const Json input = {{"extraction", reply},
                      {"choices", nullptr},
                      {"question_type", "free_form"},
                      {"answer_type", values.at("answer_type")},
                      {"precision", values.at("precision")},
                      {"answer", values.at("answer")}};
  return run_algorithm("mathvista_normalize_equal", input).at("normalized").is_null() ? Json() : reply;
}

double number(const Json& value, const std::string& where) { return JsonNode{value, where}.number(); }

std::vector<double> numbers(const Json& list, size_t count, const std::string& where) {
  std::vector<double> out;
  for (const JsonNode& node : JsonNode{list, where}.list()) out.push_back(node.number());
  if (out.size() != count) input_error(where, ": ", out.size(), " numbers, ", count, " are wanted");
  return out;
}

Json mean(const Json& list, const std::string& where) {
  double sum = 0;
  for (const Json& one : list) {
    if (one.is_null()) return {};
    sum += number(one, where);
  }
  return sum / static_cast<double>(list.size());
}

Json compare(const std::string& name, const Json& both, const std::string& where) {
  if (name == "equal") return !both.at(0).is_null() && text_of(both[0]) == text_of(both.at(1));
  if (name == "in") return !both.at(0).is_null() && is_among(both[0], both.at(1));
  if (!both.at(0).is_number()) return false;
  const double x = number(both[0], where), bound = number(both.at(1), where);
  return name == "at_least" ? x >= bound : x > bound;
}

Json boxes(const std::string& name, const Json& value, const std::string& where) {
  if (name == "xyxy_of_xywh") {
    const auto b = numbers(value, 4, where);
    return {b[0], b[1], b[0] + b[2], b[1] + b[3]};
  }
  const auto s = numbers(value.at(0), 4, where);
  const double w = number(value.at(1), where), h = number(value.at(2), where);
  return {s[0] * w, s[1] * h, s[2] * w, s[3] * h};
}

}  // namespace

const std::set<std::string>& step_operations() {
  static const std::set<std::string> kNames = {"equal",  "in",           "at_least",  "more_than", "set",
                                               "first",  "known",        "non_empty", "number",    "mean",
                                               "divide", "xyxy_of_xywh", "scale_box", "shortcut"};
  return kNames;
}

Json run_operation(const std::string& name, const Json& operands, const Json& values, const std::string& where) {
  if (name == "shortcut") return mathvista_shortcut(values);
  Json v = resolve(operands, values, where);
  if (name == "set") return v;
  if (name == "known") return !v.is_null();
  if (name == "non_empty") return !strip(text_of(v)).empty();
  if (name == "first") return v.is_array() && !v.empty() ? v[0] : Json();
  if (name == "number") return v.is_boolean() ? Json(v.get<bool>() ? 1 : 0) : v;
  if (name == "mean") return mean(v, where);
  if (name == "divide") return v.at(0).is_null() ? Json() : Json(number(v[0], where) / number(v.at(1), where));
  if (name == "xyxy_of_xywh" || name == "scale_box") return boxes(name, v, where);
  return compare(name, v, where);
}

}  // namespace glmv::eval
