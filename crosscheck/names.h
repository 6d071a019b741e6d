// Names of another program's tensors: rewritten to ours, and which of them are wanted.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace glmv {

class NameRules {
 public:
  /// No rewriting, everything is wanted.
  NameRules();
  /// maps: "PATTERN=REPLACEMENT" with $1 .. for what the brackets caught, applied one after the other; only: a pattern
  /// that is searched in the rewritten name, empty = all. Error: exit code 2 for a pattern that is none, or no '='.
  NameRules(const std::vector<std::string>& maps, const std::string& only);

  /// The rules that rewrite none of these names, as they were given.
  std::vector<std::string> idle(const std::vector<std::string>& names) const;
  std::string mapped(const std::string& name) const;
  bool wanted(const std::string& mapped_name) const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> rules_;
};

}  // namespace glmv
