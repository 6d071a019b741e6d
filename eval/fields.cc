// Fields that several rules take, read from JSON.
#include "eval/rule.h"

namespace glmv {

Options options_of(const JsonNode& object) {
  object.expect_object();
  Options out;
  for (const auto& [letter, text] : object.value.items())
    out.emplace_back(letter, JsonNode{text, concat(object.where, '.', letter)}.text());
  return out;
}

std::vector<std::string> texts_of(const JsonNode& list) {
  std::vector<std::string> out;
  for (const JsonNode& node : list.list()) out.push_back(node.text());
  return out;
}

std::vector<double> numbers_of(const JsonNode& list) {
  std::vector<double> out;
  for (const JsonNode& node : list.list()) out.push_back(node.number());
  return out;
}

double mark_of(const JsonNode& value) {
  if (value.value.is_boolean()) return value.flag() ? 1 : 0;
  const double mark = value.number();
  if (mark != 0 && mark != 1) value.refuse("0 or 1");
  return mark;
}

double share_of(const JsonNode& value) {
  const double share = value.value.is_boolean() ? mark_of(value) : value.number();
  if (!(share >= 0 && share <= 1)) value.refuse("a score from 0 to 1");
  return share;
}

std::vector<int> marks_of(const JsonNode& list) {
  std::vector<int> out;
  for (const JsonNode& node : list.list()) out.push_back(static_cast<int>(mark_of(node)));
  return out;
}

nlohmann::json or_null(const std::optional<std::string>& text) {
  return text ? nlohmann::json(*text) : nlohmann::json(nullptr);
}

}  // namespace glmv
