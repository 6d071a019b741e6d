#include "eval/algorithms.h"

#include <map>

#include "data/utf8.h"
#include "eval/rule.h"

namespace glmv {
namespace {

using nlohmann::json;

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = [] {
    std::vector<Rule> out;
    for (const auto& family : {answer_rules, choice_rules, group_rules, mmmu_rules, math_rules, text_rules,
                               document_rules, box_rules, point_rules, judge_rules, code_rules, agent_rules}) {
      for (const Rule& rule : family()) out.push_back(rule);
    }
    return out;
  }();
  return all;
}

const Rule& rule_of(std::string_view id) {
  static const std::map<std::string_view, const Rule*> by_id = [] {
    std::map<std::string_view, const Rule*> out;
    for (const Rule& rule : rules()) GLMV_CHECK(out.emplace(rule.id, &rule).second, rule.id, " is there twice");
    return out;
  }();
  const auto found = by_id.find(id);
  if (found == by_id.end()) usage_error(id, ": no such scoring rule (glmv score --list says what there is)");
  return *found->second;
}

/// JSON files cannot hold such text, callers in the program can.
void check_utf8(const JsonNode& node) {
  if (node.value.is_string()) {
    const size_t bad = utf8_first_error(node.value.get_ref<const std::string&>());
    if (bad != std::string::npos) input_error(node.where, " is not UTF-8 at byte ", bad);
  } else if (node.value.is_object()) {
    for (const auto& [key, value] : node.value.items()) check_utf8({value, concat(node.where, ' ', key)});
  } else if (node.value.is_array()) {
    for (size_t i = 0; i < node.value.size(); ++i) check_utf8({node.value[i], concat(node.where, '[', i, ']')});
  }
}

}  // namespace

std::vector<AlgorithmInfo> algorithms() {
  std::vector<AlgorithmInfo> out;
  for (const Rule& rule : rules()) out.push_back({rule.id, rule.meaning, rule.source});
  return out;
}

json run_algorithm(std::string_view id, const json& input) {
  const Rule& rule = rule_of(id);
  const JsonNode node{input, concat(rule.id, ':')};
  node.expect_object();
  check_utf8(node);
  try {
    return rule.run(node);
  } catch (const Error& e) {  // what a rule says of a value does not name the rule
    if (std::string_view(e.what()).starts_with(node.where)) throw;
    throw Error(e.code(), concat(node.where, ' ', e.what()));
  }
}

}  // namespace glmv
