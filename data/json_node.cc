#include "data/json_node.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "reference/core/error.h"

namespace glmv {

using nlohmann::json;

const json* JsonNode::find(const char* key) const {
  const auto found = value.find(key);
  return found == value.end() || found->is_null() ? nullptr : &*found;
}

JsonNode JsonNode::at(const char* key) const {
  expect_object();
  const bool is_root = where.back() == ':';
  const json* found = find(key);
  if (found == nullptr) input_error(where, is_root ? " " : ": ", key, " is missing");
  return {*found, concat(where, is_root ? " " : ".", key)};
}

std::vector<JsonNode> JsonNode::list() const {
  if (!value.is_array()) refuse("a list");
  std::vector<JsonNode> nodes;
  for (size_t i = 0; i < value.size(); ++i) nodes.push_back({value[i], concat(where, '[', i, ']')});
  return nodes;
}

std::string JsonNode::text() const {
  if (!value.is_string()) refuse("a string");
  return value.get<std::string>();
}

bool JsonNode::flag() const {
  if (!value.is_boolean()) refuse("true or false");
  return value.get<bool>();
}

int64_t JsonNode::integer() const {
  if (!value.is_number_integer()) refuse("an integer");
  return value.get<int64_t>();
}

double JsonNode::number() const {
  if (!value.is_number() || !std::isfinite(value.get<double>())) refuse("a number");
  return value.get<double>();
}

void JsonNode::expect_object() const {
  if (!value.is_object()) refuse("an object");
}

void JsonNode::refuse(const char* wanted) const {
  constexpr size_t kMostShown = 60;
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > kMostShown) text = text.substr(0, kMostShown) + "...";
  input_error(where, " is ", text, ", not ", wanted);
}

}  // namespace glmv
