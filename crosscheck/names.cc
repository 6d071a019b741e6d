#include "crosscheck/names.h"

#include <utility>

#include "data/pattern.h"
#include "reference/core/error.h"

namespace glmv {

struct NameRules::Rules {
  std::vector<std::string> texts;  ///< of maps, as they were given
  std::vector<std::pair<Pattern, std::string>> maps;
  std::vector<Pattern> only;  ///< one or none
};

NameRules::NameRules() : rules_(std::make_shared<Rules>()) {}

NameRules::NameRules(const std::vector<std::string>& maps, const std::string& only) {
  auto rules = std::make_shared<Rules>();
  for (const std::string& map : maps) {
    const size_t at = map.find('=');
    if (at == std::string::npos) usage_error("--map ", map, ": expected PATTERN=REPLACEMENT");
    rules->texts.push_back(map);
    rules->maps.emplace_back(Pattern::compile(map.substr(0, at), "--map"), map.substr(at + 1));
  }
  if (!only.empty()) rules->only.push_back(Pattern::compile(only, "--only"));
  rules_ = std::move(rules);
}

std::string NameRules::mapped(const std::string& name) const {
  std::string out = name;
  for (const auto& [from, to] : rules_->maps) out = from.replaced_in(out, to);
  return out;
}

std::vector<std::string> NameRules::idle(const std::vector<std::string>& names) const {
  std::vector<std::string> texts, now = names;
  for (size_t i = 0; i < rules_->maps.size(); ++i) {
    const auto& [from, to] = rules_->maps[i];
    bool found = false;
    for (std::string& name : now) {
      if (!from.found_in(name)) continue;
      found = true;
      name = from.replaced_in(name, to);
    }
    if (!found) texts.push_back(rules_->texts[i]);
  }
  return texts;
}

bool NameRules::wanted(const std::string& name) const { return rules_->only.empty() || rules_->only[0].found_in(name); }

}  // namespace glmv
