// Anyone's responses: a JSON list, or one object per line, of {id, response, answer, choices, group}.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "eval/import.h"
#include "eval/rule.h"
#include "eval/score_answer.h"
#include "eval/score_strict.h"
#include "eval/score_text.h"
#include "eval/text.h"

namespace glmv {
namespace {

using nlohmann::json;

/// choices as {"A": text} or as a list of texts.
Options choices_of(const JsonNode& choices) {
  if (!choices.value.is_array()) return options_of(choices);
  constexpr size_t kMost = 26;
  Options out;
  for (const std::string& text : texts_of(choices))
    out.emplace_back(std::string(1, static_cast<char>('A' + out.size())), text);
  if (out.size() > kMost) choices.refuse("at most 26 choices");
  return out;
}

std::string id_of(const JsonNode& id) {
  return id.value.is_number_integer() ? std::to_string(id.integer()) : id.text();
}

StoredRow row_of(const JsonNode& entry) {
  StoredRow row;
  row.id = id_of(entry.at("id"));
  row.response = entry.at("response").text();
  const JsonNode answer = entry.at("answer");
  row.golds = answer.value.is_array() ? texts_of(answer) : std::vector<std::string>{answer.text()};
  if (row.golds.empty()) answer.refuse("an answer");
  if (entry.find("choices") != nullptr) row.options = choices_of(entry.at("choices"));
  row.groups["group"] = entry.find("group") != nullptr ? entry.at("group").text() : "all";
  row.groups["kind"] = row.options.empty() ? "open" : "choice";
  return row;
}

json lines_of(const std::string& text, const std::string& path) {
  json out = json::array();
  size_t number = 0;
  for (const std::string_view line : py::split(text, "\n")) {
    ++number;
    if (!py::strip(line).empty()) out.push_back(parse_json(std::string(line), concat(path, ": line ", number)));
  }
  return out;
}

std::vector<StoredRow> read_rows(const std::vector<std::string>& paths) {
  std::vector<StoredRow> rows;
  for (const std::string& path : paths) {
    const std::string text = read_file(path);
    const json content = py::strip(text).starts_with('[') ? parse_json(text, path) : lines_of(text, path);
    for (const JsonNode& entry : JsonNode{content, concat(path, ":")}.list()) rows.push_back(row_of(entry));
  }
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

std::vector<ImportRule> rows_import_rules() {
  return {{"strict", "glmv_choice, glmv_equal", strict},
          {"VLMEvalKit", "mc_can_infer, ocrbench_contains", vlmevalkit},
          {"lmms-eval", "mc_robust_priority, zerobench_exact", lmms}};
}

}  // namespace

ImportLayout rows_layout() {
  return {"rows", "a JSON list or lines of {id, response, answer, choices if any, group if any}", "group", read_rows,
          rows_import_rules};
}

}  // namespace glmv
