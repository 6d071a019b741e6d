// Names of another program's tensors: rewritten to ours, and which of them are wanted.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace glmv {

class NameRules {
 public:
  /// No rewriting, everything is wanted.
  NameRules();
  /// maps: "PATTERN=REPLACEMENT" with $1 .. for what the brackets caught, or the name of a built-in map
  /// (crosscheck/name_maps.h), applied one after the other; only: a pattern that is searched in the rewritten name,
  /// empty = all. Error: exit code 2 for a pattern that is none, and for a map that is neither.
  NameRules(const std::vector<std::string>& maps, const std::string& only);

  /// The rules that rewrite none of these names, as they were given.
  std::vector<std::string> idle(const std::vector<std::string>& names) const;
  std::string mapped(const std::string& name) const;
  bool wanted(const std::string& mapped_name) const;
  bool given() const;  ///< is there any map?

 private:
  struct Map;
  struct Rules;
  /// The name by one map, and whether that had a rule for it.
  static std::pair<std::string, bool> mapped_by(const Map& map, const std::string& name);
  std::shared_ptr<const Rules> rules_;
};

}  // namespace glmv
