// Objects of files whose format is ours: a key that nobody asks for is an error, so that no setting is ever ignored.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/json_node.h"

namespace glmv::eval {

class StrictObject {
 public:
  /// Error (exit code 3) if it is not an object.
  explicit StrictObject(const JsonNode& node);

  JsonNode at(const char* key);
  /// Nothing if the key is absent or null.
  std::optional<JsonNode> find(const char* key);
  std::string text(const char* key) { return at(key).text(); }
  std::string text_or(const char* key, const std::string& otherwise);
  bool flag_or(const char* key, bool otherwise);
  int64_t integer_or(const char* key, int64_t otherwise);
  /// A list of strings; empty if absent.
  std::vector<std::string> texts(const char* key);
  const std::string& where() const { return node_.where; }

  /// To be called when everything was asked for. Error (exit code 3) that names the first key that was not.
  void finish() const;

 private:
  JsonNode node_;
  std::set<std::string> asked_;
};

}  // namespace glmv::eval
