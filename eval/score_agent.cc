#include "eval/score_agent.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "eval/edit_distance.h"
#include "eval/literal.h"
#include "eval/number.h"
#include "eval/regex.h"
#include "eval/score_box.h"
#include "eval/text.h"

namespace glmv {
namespace {

using nlohmann::json;
using py::Regex;
using std::string;
using std::string_view;

constexpr string_view kBegin = "<|begin_of_box|>", kEnd = "<|end_of_box|>";

/// [[007,08,100,200]] -> [[7,8,100,200]], wherever the first such spelling stands.
string without_leading_zeros(string_view text) {
  static const Regex box(R"(\[\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]\])");
  const auto m = box.search(text);
  if (!m) return string(text);
  string repaired = "[[";
  for (size_t i = 1; i <= 4; ++i) repaired += (i > 1 ? "," : "") + py::to_int(m->group(i)).value_or("0");
  return py::replace(text, m->group(), repaired + "]]");
}

std::optional<py::Value> json_word(string_view name) {
  using Kind = py::Value::Kind;
  if (name == "true") return py::Value{Kind::boolean, "", 1, {}};
  if (name == "false") return py::Value{Kind::boolean, "", 0, {}};
  return name == "null" ? std::optional(py::Value{}) : std::nullopt;
}

json to_json(const py::Value& v) {
  using Kind = py::Value::Kind;
  switch (v.kind) {
    case Kind::none: return nullptr;
    case Kind::boolean: return v.number != 0;
    case Kind::integer: {
      const json number = json::parse(v.text, nullptr, false);
      return number.is_discarded() ? json(v.number) : number;
    }
    case Kind::real: return v.number;
    case Kind::text: return v.text;
    case Kind::list:
    case Kind::tuple: {
      json list = json::array();
      for (const py::Value& item : v.items) list.push_back(to_json(item));
      return list;
    }
    case Kind::dict: break;
  }
  json object = json::object();
  for (size_t i = 0; i + 1 < v.items.size(); i += 2) object[py::str(v.items[i])] = to_json(v.items[i + 1]);
  return object;
}

/// [[x1, y1, x2, y2]] of integers from 0 to 999, corners in order.
std::optional<Box> valid_box(const json& value) {
  constexpr int64_t kMost = 999;
  if (!value.is_array() || value.size() != 1 || !value[0].is_array() || value[0].size() != 4) return std::nullopt;
  Box box{};
  for (size_t i = 0; i < box.size(); ++i) {
    const json& c = value[0][i];
    if (!c.is_number_integer() || c.get<int64_t>() < 0 || c.get<int64_t>() > kMost) return std::nullopt;
    box[i] = c.get<double>();
  }
  return box[0] <= box[2] && box[1] <= box[3] ? std::optional(box) : std::nullopt;
}

double field_reward(const string& key, const json& gold, const json& got) {
  if (gold == got) return 1;
  if (key == "text" && gold.is_string() && got.is_string()) {
    const auto& a = gold.get_ref<const string&>();
    const auto& b = got.get_ref<const string&>();
    const size_t longer = std::max(py::length(a), py::length(b));
    return static_cast<double>(common_subsequence(a, b)) / static_cast<double>(longer);
  }
  if (key != "box_2d") return 0;
  const auto a = valid_box(gold), b = valid_box(got);
  return a && b ? box_iou_xyxy(*a, *b) : 0;
}

/// Between the box tokens, which must stand on one line; without tokens the first call in the text.
std::optional<string_view> call_text(string_view response) {
  static const Regex box(R"(<\|begin_of_box\|>(.*?)<\|end_of_box\|>)"), call(R"(\w+\([^)]*\)?)");
  if (const auto m = box.search(response)) return py::strip(m->group(1));
  if (py::contains(response, kBegin)) return std::nullopt;
  const auto m = call.search(response);
  return m ? std::optional(response.substr(m->start())) : std::nullopt;
}

/// Even numbers of unescaped quotes, and as many opening as closing brackets of each kind.
bool is_balanced(string_view arguments) {
  for (const char quote : {'\'', '"'}) {
    size_t count = 0;
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (arguments[i] == quote && (i == 0 || arguments[i - 1] != '\\')) ++count;
    }
    if (count % 2 != 0) return false;
  }
  const auto count = [&](char c) { return std::count(arguments.begin(), arguments.end(), c); };
  return count('(') == count(')') && count('[') == count(']') && count('{') == count('}');
}

std::optional<std::array<string, 2>> box_argument(string_view arguments, const Regex& pattern) {
  const auto m = pattern.search(arguments);
  if (!m) return std::nullopt;
  const auto x = py::to_int(m->group(1)), y = py::to_int(m->group(2));
  return x && y ? std::optional(std::array<string, 2>{*x, *y}) : std::nullopt;
}

}  // namespace

json androidworld_action_parse(string_view response) {
  const size_t begin = response.find(kBegin);
  if (begin == string_view::npos || !py::contains(response, kEnd)) return nullptr;
  const string_view rest = response.substr(begin + kBegin.size());
  const string text = without_leading_zeros(py::strip(rest.substr(0, std::min(rest.find(kBegin), rest.find(kEnd)))));
  json action = json::parse(text, nullptr, false);
  if (action.is_discarded()) {
    const auto value = py::literal(text, json_word);
    action = value ? to_json(*value) : json(nullptr);
  }
  return action.is_object() ? action : json(nullptr);
}

double androidworld_step_reward(const json& ground_truth, const json& predicted) {
  if (ground_truth.size() != predicted.size()) return 0;
  double reward = 1;
  for (const auto& [key, gold] : ground_truth.items()) {
    const auto got = predicted.find(key);
    if (got == predicted.end()) return 0;
    reward *= field_reward(key, gold, *got);
  }
  return reward;
}

double androidworld_success_rate(const std::vector<Episode>& episodes) {
  double sum = 0;
  for (const Episode& e : episodes) sum += e.done ? e.success : 0;
  return episodes.empty() ? 0 : sum / static_cast<double>(episodes.size());
}

std::optional<OsworldAction> osworld_action_parse(string_view response) {
  static const Regex start(R"(start_box=['"]\[(\d+),\s*(\d+)\]['"])"), end(R"(end_box=['"]\[(\d+),\s*(\d+)\]['"])"),
      step(R"(step=(\d+))"), name(R"((\w+)\s*$)");
  const auto call = call_text(response);
  if (!call) return std::nullopt;
  const size_t open = call->find('('), close = call->rfind(')');
  const auto type = open == string_view::npos ? std::nullopt : name.search(call->substr(0, open));
  if (!type) return std::nullopt;
  OsworldAction action{string(type->group(1)), {}, {}, {}, {}};
  if (close == string_view::npos || close < open) return action;
  const string_view arguments = call->substr(open + 1, close - open - 1);
  if (!is_balanced(arguments)) return std::nullopt;
  action.start = box_argument(arguments, start);
  action.end = box_argument(arguments, end);
  if (const auto m = step.search(arguments)) action.step = py::to_int(m->group(1));
  for (const char* key : {"direction", "content", "keys", "element_info"}) {
    const Regex value(string(key) + R"re(=(?:'([^']*)'|"([^"]*)"))re");
    if (const auto m = value.search(arguments)) action.texts[key] = m->has(1) ? m->group(1) : m->group(2);
  }
  return action;
}

double osworld_mean_score(const std::vector<double>& scores) {
  double sum = 0;
  for (const double s : scores) sum += s;
  return scores.empty() ? 0 : 100 * sum / static_cast<double>(scores.size());
}

}  // namespace glmv
