// One scoring rule as the table of algorithms holds it. Only the rules_*.cc files and algorithms.cc see JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/json_node.h"
#include "eval/algorithms.h"
#include "eval/score_choice.h"
#include "reference/core/error.h"

namespace glmv {

struct Rule {
  const char* id;
  const char* meaning;
  const char* source;
  nlohmann::json (*run)(const JsonNode& input);
};

// The families, one file each.
std::vector<Rule> answer_rules();
std::vector<Rule> choice_rules();
std::vector<Rule> group_rules();
std::vector<Rule> mmmu_rules();
std::vector<Rule> math_rules();
std::vector<Rule> text_rules();
std::vector<Rule> document_rules();
std::vector<Rule> box_rules();
std::vector<Rule> point_rules();
std::vector<Rule> judge_rules();
std::vector<Rule> code_rules();
std::vector<Rule> agent_rules();

// Fields in the forms that several rules take.
Options options_of(const JsonNode& object);
std::vector<std::string> texts_of(const JsonNode& list);
std::vector<double> numbers_of(const JsonNode& list);
/// A score from 0 to 1; true and false are 1 and 0.
double share_of(const JsonNode& value);
std::vector<int> marks_of(const JsonNode& list);  ///< 0 or 1 each
double mark_of(const JsonNode& value);            ///< 0 or 1, also true and false
nlohmann::json or_null(const std::optional<std::string>& text);

}  // namespace glmv
