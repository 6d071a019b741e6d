// MathVista's layout: an object of problems by pid, each with the question's fields, response, extraction, prediction
// and true_false.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "eval/import.h"
#include "eval/rule.h"
#include "eval/score_strict.h"

namespace glmv {
namespace {

using nlohmann::json;

std::optional<std::string> text_if_there(const JsonNode& entry, const char* key) {
  return entry.find(key) == nullptr ? std::nullopt : std::optional(entry.at(key).text());
}

/// pids as numbers, so that 2 comes before 10; others behind them.
bool earlier(const StoredRow& a, const StoredRow& b) {
  const auto number = [](const std::string& id) {
    return id.find_first_not_of("0123456789") == std::string::npos && id.size() < 10 ? std::stol(id) : 1'000'000'000L;
  };
  return std::pair(number(a.id), a.id) < std::pair(number(b.id), b.id);
}

Options lettered(const std::vector<std::string>& choices) {
  Options out;
  for (size_t i = 0; i < choices.size(); ++i) out.emplace_back(std::string(1, static_cast<char>('A' + i)), choices[i]);
  return out;
}

StoredRow row_of(const std::string& pid, const JsonNode& entry) {
  constexpr size_t kMostChoices = 26;
  StoredRow row;
  row.id = pid;
  row.kind = {entry.at("question_type").text(), entry.at("answer_type").text(), std::nullopt, std::nullopt};
  row.groups = {{"question_type", row.kind.question_type}, {"answer_type", row.kind.answer_type}};
  if (row.kind.question_type == "multi_choice") {
    row.kind.choices = texts_of(entry.at("choices"));
    if (row.kind.choices->empty() || row.kind.choices->size() > kMostChoices)
      entry.at("choices").refuse("1 to 26 choices");
    row.options = lettered(*row.kind.choices);
  }
  if (entry.find("precision") != nullptr) row.kind.precision = static_cast<int>(entry.at("precision").number());
  row.golds = {entry.at("answer").text()};
  row.response = entry.at("response").text();
  row.extraction = text_if_there(entry, "extraction");
  row.prediction = text_if_there(entry, "prediction");
  if (entry.find("true_false") != nullptr) row.verdict = entry.at("true_false").flag();
  if (entry.find("metadata") != nullptr) {
    const JsonNode metadata = entry.at("metadata");
    for (const char* key : {"language", "source", "category", "task", "context", "grade"}) {
      if (const auto value = text_if_there(metadata, key)) row.groups[key] = *value;
    }
  }
  return row;
}

std::vector<StoredRow> read_mathvista(const std::vector<std::string>& paths) {
  std::vector<StoredRow> rows;
  for (const std::string& path : files_of(paths, ".json")) {
    const json content = parse_json_object(read_file(path), path);
    for (const auto& [pid, entry] : content.items()) rows.push_back(row_of(pid, {entry, concat(path, ": ", pid)}));
  }
  std::sort(rows.begin(), rows.end(), earlier);
  return rows;
}

const std::string& extraction_of(const StoredRow& row) {
  if (!row.extraction) input_error("extraction is missing: an LLM reads it out of the response, no rule does");
  return *row.extraction;
}

/// Compared as it is; nothing equals an answer that could not be read.
Reading official(const StoredRow& row) {
  const auto normalized = mathvista_normalize(extraction_of(row), row.kind);
  return {normalized == row.golds.front(), row.extraction, normalized, false};
}

/// The data set's precision is a float there, which Python's round refuses: every float answer is lost.
Reading lmms(const StoredRow& row) {
  MathvistaAnswer kind = row.kind;
  kind.precision = std::nullopt;
  const auto normalized = mathvista_normalize(extraction_of(row), kind);
  return {mathvista_equal(normalized, row.golds.front()), row.extraction, normalized, false};
}

Reading vlmevalkit(const StoredRow& row) {
  const std::string& extraction = extraction_of(row);
  if (row.options.empty()) {
    const bool right =
        mathvista_vlmevalkit_check("free_form", row.kind.answer_type, row.golds.front(), "", "", extraction);
    return {right, row.extraction, row.extraction, false};
  }
  const auto letter = mc_can_infer(extraction, row.options);
  const auto option =
      std::find_if(row.options.begin(), row.options.end(), [&](const auto& o) { return o.first == letter; });
  const auto text = option == row.options.end() ? std::nullopt : std::optional(option->second);
  return {text == row.golds.front(), row.extraction, text, false};
}

/// Reads the response itself.
Reading strict(const StoredRow& row) {
  const std::string answer = strict_answer(row.response);
  if (row.options.empty()) return {strict_equal(row.response, row.golds.front()), answer, answer, false};
  const auto letter = strict_choice(row.response, row.options);
  const auto option =
      std::find_if(row.options.begin(), row.options.end(), [&](const auto& o) { return o.first == letter; });
  const auto text = option == row.options.end() ? std::nullopt : std::optional(option->second);
  return {text == row.golds.front(), letter, text, false};
}

std::vector<ImportRule> mathvista_import_rules() {
  return {{"official", "mathvista_normalize_equal on the stored extraction", official},
          {"VLMEvalKit", "mathvista_vlmevalkit_check on the stored extraction", vlmevalkit},
          {"lmms-eval", "mathvista_normalize_equal without a precision it can use", lmms},
          {"strict", "glmv_choice, glmv_equal on the response", strict}};
}

}  // namespace

ImportLayout mathvista_layout() {
  return {"mathvista", "MathVista: output_*.json with extractions", "question_type", read_mathvista,
          mathvista_import_rules};
}

}  // namespace glmv
