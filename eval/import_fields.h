// What the importers of stored responses share: cells that are texts or numbers, options in any of their forms.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "data/json_node.h"
#include "eval/import.h"

namespace glmv {

/// A string, or a number as JSON writes it. Error (exit code 3) for anything else.
std::string scalar_text(const JsonNode& node);

/// One scalar, or a list of them. Error (exit code 3) for an empty list.
std::vector<std::string> scalar_texts(const JsonNode& node);

/// Options as {"A": text}, as a list of texts or numbers, or as a Python literal of one; letters from A on. "A. " in
/// front of each is taken off. Error (exit code 3) for more than 26.
Options any_options(const JsonNode& node);

/// Golds as they are compared with letters: where there are options, "(B)", "B." and the text of B become B.
std::vector<std::string> golds_for(const Options& options, std::vector<std::string> golds);

/// Adds every string or number of an object that is not in `taken` as a group, unless it is too long to be one.
void add_groups(const nlohmann::json& object, const std::set<std::string>& taken, StoredRow& row);

/// Calls `row` for each object of a JSON list ("F: [3]") or of JSON lines ("F line 4"). Error (exit code 3) for text
/// that is neither; `wanted` says what an object holds.
void for_each_object(const std::string& path, const char* wanted, const std::function<void(const JsonNode& row)>& row);

/// The ladder for rows of which no benchmark is known: strict, VLMEvalKit, lmms-eval, with the one named first in
/// front.
std::vector<ImportRule> rows_import_rules(const std::string& first = "strict");

}  // namespace glmv
