// Anyone's responses: a JSON list, or one object per line, of {id, response, answer, choices, group ...}.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "eval/import_fields.h"
#include "eval/score_answer.h"
#include "eval/score_strict.h"
#include "eval/score_text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr const char* kWanted = "{id, response, answer, choices?, group?}";

/// Rows of a toolkit's file are told apart by its names for id and response.
void hint_at_layout(const JsonNode& entry) {
  if (entry.find("id") != nullptr) return;
  if (entry.find("doc_id") != nullptr)
    input_error(entry.where, ": id is missing, but there is a doc_id: is this a samples file? --import lmms-eval");
  if (entry.find("prediction") != nullptr)
    input_error(entry.where, ": id is missing, but there is a prediction: is this VLMEvalKit's? --import vlmevalkit");
}

/// Every other field of a row is a group that --by can name.
StoredRow row_of(const JsonNode& entry) {
  entry.expect_object();
  hint_at_layout(entry);
  StoredRow row;
  row.id = scalar_text(entry.at("id"));
  row.response = scalar_text(entry.at("response"));
  row.golds = scalar_texts(entry.at("answer"));
  if (entry.find("choices") != nullptr) row.options = any_options(entry.at("choices"));
  row.groups["group"] = entry.find("group") != nullptr ? scalar_text(entry.at("group")) : "all";
  row.groups["kind"] = row.options.empty() ? "open" : "choice";
  add_groups(entry.value, {"id", "response", "answer", "choices"}, row);
  return row;
}

std::vector<StoredRow> read_rows(const std::vector<std::string>& paths) {
  std::vector<StoredRow> rows;
  for (const std::string& path : paths)
    for_each_object(path, kWanted, [&](const JsonNode& entry) { rows.push_back(row_of(entry)); });
  return rows;
}

bool is_gold(const StoredRow& row, const std::optional<std::string>& answer) {
  return answer && std::find(row.golds.begin(), row.golds.end(), *answer) != row.golds.end();
}

template <class Right>
bool any_gold(const StoredRow& row, Right right) {
  return std::any_of(row.golds.begin(), row.golds.end(), right);
}

Reading strict(const StoredRow& row) {
  const std::string answer = strict_answer(row.response);
  if (row.options.empty())
    return {any_gold(row, [&](const auto& gold) { return strict_equal(row.response, gold); }), answer, answer, false};
  const auto letter = strict_choice(row.response, row.options);
  return {is_gold(row, letter), letter, letter, false};
}

Reading vlmevalkit(const StoredRow& row) {
  if (row.options.empty())
    return {ocrbench_contains(row.response, row.golds, false), row.response, row.response, false};
  const auto letter = mc_can_infer(row.response, row.options);
  return {is_gold(row, letter), letter, letter, false};
}

Reading lmms(const StoredRow& row) {
  const std::string reply = without_reasoning_lmms(row.response);
  if (row.options.empty())
    return {any_gold(row, [&](const auto& gold) { return zerobench_exact(reply, gold); }), reply, reply, false};
  std::vector<std::string> letters;
  for (const auto& option : row.options) letters.push_back(option.first);
  const std::string letter = mc_robust_priority(reply, letters);
  const auto found = letter.empty() ? std::nullopt : std::optional(letter);
  return {is_gold(row, found), found, found, false};
}

}  // namespace

std::vector<ImportRule> rows_import_rules(const std::string& first) {
  std::vector<ImportRule> all = {{"strict", "glmv_choice, glmv_equal", strict},
                                 {"VLMEvalKit", "mc_can_infer, ocrbench_contains", vlmevalkit},
                                 {"lmms-eval", "mc_robust_priority, zerobench_exact", lmms}};
  std::stable_partition(all.begin(), all.end(), [&](const ImportRule& rule) { return rule.name == first; });
  return all;
}

ImportLayout rows_layout() {
  return {"rows",
          "a JSON list or lines of {id, response, answer, choices if any, group if any}; other fields are groups",
          "group", read_rows, [] { return rows_import_rules(); }};
}

}  // namespace glmv
