// A value of a JSON file with its place in it: whoever asks for what is not there gets a message that names both.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace glmv {

/// "chat.json: messages[2].content[0]" ("chat.json:" for the whole file) and what is there. Errors: exit code 3.
struct JsonNode {
  const nlohmann::json& value;
  std::string where;

  /// The value of a key; null if it is absent or null.
  const nlohmann::json* find(const char* key) const;
  /// The value of a key that must be there.
  JsonNode at(const char* key) const;
  std::vector<JsonNode> list() const;

  // The value itself, which must be of this kind.
  std::string text() const;
  bool flag() const;
  int64_t integer() const;
  double number() const;  ///< finite
  void expect_object() const;
  /// "... is 7, not a string".
  [[noreturn]] void refuse(const char* wanted) const;
};

}  // namespace glmv
