#include "crosscheck/names.h"

#include <utility>

#include "crosscheck/name_maps.h"
#include "data/pattern.h"
#include "reference/core/error.h"

namespace glmv {

/// What one --map says: one rule, or a list of them of which the first that fits a name is taken.
struct NameRules::Map {
  std::string text;  ///< as it was given
  bool built_in = false;
  std::vector<std::pair<Pattern, std::string>> rules;
};

struct NameRules::Rules {
  std::vector<Map> maps;
  std::vector<Pattern> only;  ///< one or none
};

namespace {

std::pair<Pattern, std::string> parse_rule(const std::string& rule) {
  const size_t at = rule.find('=');
  return {Pattern::compile(rule.substr(0, at), "--map"), rule.substr(at + 1)};
}

/// "step.3/" and "floor/", which a built-in map leaves in place.
size_t prefix_bytes(const std::string& name) {
  size_t bytes = 0;
  for (const char* prefix : {"floor/", "step."}) {
    const size_t slash = name.find('/', bytes);
    if (name.rfind(prefix, bytes) == bytes && slash != std::string::npos) bytes = slash + 1;
  }
  return bytes;
}

}  // namespace

NameRules::NameRules() : rules_(std::make_shared<Rules>()) {}

NameRules::NameRules(const std::vector<std::string>& maps, const std::string& only) {
  auto rules = std::make_shared<Rules>();
  for (const std::string& map : maps) {
    Map out;
    out.text = map;
    if (map.find('=') != std::string::npos) {
      out.rules.push_back(parse_rule(map));
    } else {
      const NameMap* known = find_name_map(map);
      if (known == nullptr) usage_error("--map ", map, ": expected PATTERN=REPLACEMENT or one of ", name_map_names());
      out.built_in = true;
      for (const std::string& rule : known->rules) out.rules.push_back(parse_rule(rule));
    }
    rules->maps.push_back(std::move(out));
  }
  if (!only.empty()) rules->only.push_back(Pattern::compile(only, "--only"));
  rules_ = std::move(rules);
}

std::string NameRules::mapped(const std::string& name) const {
  std::string out = name;
  for (const Map& map : rules_->maps) out = mapped_by(map, out).first;
  return out;
}

std::pair<std::string, bool> NameRules::mapped_by(const Map& map, const std::string& name) {
  constexpr size_t kLongestName = 1024;  // of a module; a longer one is nobody's, and dozens of patterns would be slow
  if (map.built_in && name.size() > kLongestName) return {name, false};
  const size_t prefix = map.built_in ? prefix_bytes(name) : 0;
  const std::string rest = name.substr(prefix);
  for (const auto& [from, to] : map.rules) {
    if (from.found_in(rest)) return {name.substr(0, prefix) + from.replaced_in(rest, to), true};
  }
  return {name, false};
}

std::vector<std::string> NameRules::idle(const std::vector<std::string>& names) const {
  std::vector<std::string> texts, now = names;
  for (const Map& map : rules_->maps) {
    bool found = false;
    for (std::string& name : now) {
      auto [mapped, fits] = mapped_by(map, name);
      found = found || fits;
      name = std::move(mapped);
    }
    if (!found) texts.push_back(map.text);
  }
  return texts;
}

bool NameRules::given() const { return !rules_->maps.empty(); }

bool NameRules::wanted(const std::string& name) const { return rules_->only.empty() || rules_->only[0].found_in(name); }

}  // namespace glmv
