#include "eval/strict.h"

#include <nlohmann/json.hpp>

#include "reference/core/error.h"

namespace glmv::eval {

StrictObject::StrictObject(const JsonNode& node) : node_(node) { node.expect_object(); }

JsonNode StrictObject::at(const char* key) {
  asked_.insert(key);
  return node_.at(key);
}

std::optional<JsonNode> StrictObject::find(const char* key) {
  asked_.insert(key);
  if (node_.find(key) == nullptr) return std::nullopt;
  return node_.at(key);
}

std::string StrictObject::text_or(const char* key, const std::string& otherwise) {
  const auto found = find(key);
  return found ? found->text() : otherwise;
}

bool StrictObject::flag_or(const char* key, bool otherwise) {
  const auto found = find(key);
  return found ? found->flag() : otherwise;
}

int64_t StrictObject::integer_or(const char* key, int64_t otherwise) {
  const auto found = find(key);
  return found ? found->integer() : otherwise;
}

std::vector<std::string> StrictObject::texts(const char* key) {
  std::vector<std::string> out;
  if (const auto found = find(key)) {
    for (const JsonNode& one : found->list()) out.push_back(one.text());
  }
  return out;
}

void StrictObject::finish() const {
  for (const auto& [key, value] : node_.value.items()) {
    if (asked_.count(key) == 0)
      input_error(node_.where, node_.where.back() == ':' ? " " : ".", key, " is not a key of this format");
  }
}

}  // namespace glmv::eval
