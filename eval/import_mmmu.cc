// MMMU's layout: one output.json per subject, a list of {id, question_type, answer, all_choices, index2ans, response};
// answers may come from an answer_dict_*.json instead.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "eval/import.h"
#include "eval/python_random.h"
#include "eval/rule.h"
#include "eval/score_answer.h"
#include "eval/score_mmmu.h"
#include "eval/score_strict.h"
#include "eval/text.h"

namespace glmv {
namespace {

using nlohmann::json;
using Golds = std::map<std::string, std::vector<std::string>>;

std::vector<std::string> golds_of(const JsonNode& answer) {
  return answer.value.is_array() ? texts_of(answer) : std::vector<std::string>{answer.text()};
}

/// {"validation_Art_1": {"question_type": ..., "ground_truth": ...}}
void read_answers(const JsonNode& file, Golds& golds) {
  for (const auto& [id, entry] : file.value.items()) {
    const JsonNode node{entry, concat(file.where, " ", id)};
    golds[id] = golds_of(node.at("ground_truth"));
  }
}

/// "validation_Art_Theory_12" -> "Art_Theory"
std::string subject_of(const std::string& id) {
  const size_t first = id.find('_'), last = id.rfind('_');
  return first == std::string::npos || first == last ? id : id.substr(first + 1, last - first - 1);
}

StoredRow row_of(const JsonNode& entry, const Golds& golds) {
  StoredRow row;
  row.id = entry.at("id").text();
  row.response = entry.at("response").text();
  const bool choice = entry.at("question_type").text() == "multiple-choice";
  row.groups = {{"subject", subject_of(row.id)}, {"question_type", choice ? "multiple-choice" : "open"}};
  if (choice) row.options = options_of(entry.at("index2ans"));
  if (choice && row.options.empty()) entry.at("index2ans").refuse("an object with options");
  const auto found = golds.find(row.id);
  row.golds = found != golds.end() ? found->second : golds_of(entry.at("answer"));
  return row;
}

std::vector<StoredRow> read_mmmu(const std::vector<std::string>& paths) {
  Golds golds;
  std::vector<std::pair<std::string, json>> outputs;
  for (const std::string& path : files_of(paths, "output.json")) {
    json content = parse_json(read_file(path), path);
    if (content.is_object()) {
      read_answers({content, concat(path, ":")}, golds);
    } else {
      outputs.emplace_back(path, std::move(content));
    }
  }
  std::vector<StoredRow> rows;
  for (const auto& [path, content] : outputs) {
    for (const JsonNode& entry : JsonNode{content, concat(path, ":")}.list()) rows.push_back(row_of(entry, golds));
  }
  return rows;
}

bool is_gold(const StoredRow& row, const std::optional<std::string>& letter) {
  return letter && std::find(row.golds.begin(), row.golds.end(), *letter) != row.golds.end();
}

std::string printed(const Normalized& values) {
  std::string out;
  for (const auto& value : values) {
    out += out.empty() ? "" : " | ";
    std::visit([&](const auto& v) { out += concat(v); }, value);
  }
  return out;
}

Reading open_reading(const StoredRow& row) {
  const Normalized parsed = mmmu_open_parse(row.response, OpenPhrases::eight);
  return {mmmu_open_equal(parsed, row.golds), printed(parsed), printed(parsed), false};
}

/// The script draws the letters it does not find, from one generator for the whole run.
ImportRule official() {
  constexpr uint32_t kSeed = 42;
  const auto random = std::make_shared<py::Random>(kSeed);
  return {"official", "mmmu_mc_parse_official (draws: Python's random, seed 42), mmmu_open_eval_official",
          [random](const StoredRow& row) -> Reading {
            if (row.options.empty()) return open_reading(row);
            auto letter = mmmu_mc_parse_official(row.response, row.options);
            const bool drawn = !letter;
            if (drawn) letter = row.options[random->choice(row.options.size())].first;
            return {is_gold(row, letter), letter, letter, drawn};
          }};
}

/// Its open questions are compared character by character, so that none is ever right.
Reading lmms(StoredRow row) {
  row.response = without_reasoning_lmms(row.response);
  if (row.options.empty()) {
    Reading reading = open_reading(row);
    reading.normalized = "single characters";
    reading.right = false;
    return reading;
  }
  const auto letter = mmmu_mc_parse(row.response, row.options);
  return {is_gold(row, letter), letter, letter, !letter};
}

/// Open questions become a choice between the gold, which is A, and "Other Answers", which is B.
Reading vlmevalkit(const StoredRow& row) {
  const bool open = row.options.empty();
  const Options options = open ? Options{{"A", row.golds.front()}, {"B", "Other Answers"}} : row.options;
  const auto letter = mc_can_infer(row.response, options);
  if (!open) return {is_gold(row, letter), letter, letter, false};
  const auto meaning = !letter ? std::nullopt : std::optional(options[letter == "A" ? 0 : 1].second);
  return {letter == "A", letter, meaning, false};
}

Reading strict(const StoredRow& row) {
  if (!row.options.empty()) {
    const auto letter = strict_choice(row.response, row.options);
    return {is_gold(row, letter), letter, letter, false};
  }
  const std::string answer = strict_answer(row.response);
  const bool right = std::any_of(row.golds.begin(), row.golds.end(),
                                 [&](const auto& gold) { return strict_equal(row.response, gold); });
  return {right, answer, answer, false};
}

std::vector<ImportRule> mmmu_import_rules() {
  return {official(),
          {"VLMEvalKit", "mc_can_infer; an open question becomes the choice A = the gold, B = Other Answers; no judge",
           vlmevalkit},
          {"lmms-eval", "mmmu_mc_parse, a draw counts as wrong; open questions never right", lmms},
          {"strict", "glmv_choice, glmv_equal", strict}};
}

}  // namespace

ImportLayout mmmu_layout() {
  return {"mmmu", "MMMU: output.json of each subject, or a folder of them; answer_dict_*.json for other answers",
          "subject", read_mmmu, mmmu_import_rules};
}

}  // namespace glmv
