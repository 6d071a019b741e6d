// VLMEvalKit's predictions: the data set's columns with one more, "prediction" (and "hit" once they were scored), as
// TSV or as a JSON list. Spreadsheets are to be saved as TSV.
#include <nlohmann/json.hpp>

#include "eval/import_fields.h"
#include "eval/literal.h"
#include "eval/table.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using nlohmann::json;

constexpr const char* kWanted = "{index, answer, prediction, A, B, C ...}";

bool is_empty(const json* cell) { return cell == nullptr || *cell == ""; }

Options options_of_row(const JsonNode& row) {
  Options out;
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    const std::string key(1, letter);
    if (!is_empty(row.find(key.c_str()))) out.emplace_back(key, scalar_text(row.at(key.c_str())));
  }
  return out;
}

/// A cell that holds a Python list means any of its elements.
std::vector<std::string> golds_of(const JsonNode& answer) {
  if (answer.value.is_string()) {
    const auto list = py::literal(answer.text());
    if (list && list->kind == py::Value::Kind::list && !list->items.empty()) {
      std::vector<std::string> out;
      out.reserve(list->items.size());
      for (const py::Value& item : list->items) out.push_back(py::str(item));
      return out;
    }
  }
  return scalar_texts(answer);
}

/// "1", 1, "1.0" and true are hits.
std::optional<bool> verdict_of(const JsonNode& row) {
  const json* hit = row.find("hit");
  if (is_empty(hit)) return std::nullopt;
  if (hit->is_boolean()) return hit->get<bool>();
  const std::string text = scalar_text(row.at("hit"));
  if (text == "1" || text == "1.0" || text == "True") return true;
  if (text == "0" || text == "0.0" || text == "False") return false;
  return std::nullopt;  // a mark between
}

StoredRow row_of(const JsonNode& entry) {
  StoredRow row;
  row.id = scalar_text(entry.at("index"));
  const JsonNode prediction = entry.at("prediction");
  row.response = scalar_text(prediction);
  row.options = options_of_row(entry);
  row.golds = golds_for(row.options, golds_of(entry.at("answer")));
  row.verdict = verdict_of(entry);
  std::set<std::string> taken = {"index", "question", "answer", "prediction", "hint",
                                 "hit",   "log",      "image",  "image_path"};
  for (const auto& option : row.options) taken.insert(option.first);
  add_groups(entry.value, taken, row);
  row.groups["kind"] = row.options.empty() ? "open" : "choice";
  return row;
}

void read_tsv_rows(const std::string& path, std::vector<StoredRow>& rows) {
  const eval::TsvTable table = eval::read_tsv(path);
  int64_t number = 0;
  for (const auto& cells : table.rows) {
    json row = json::object();
    for (size_t i = 0; i < cells.size(); ++i) {
      if (table.columns[i] != "image") row[table.columns[i]] = eval::cell_text(cells[i]);
    }
    rows.push_back(row_of({row, concat(path, " row ", ++number)}));
  }
}

std::vector<StoredRow> read_vlmevalkit(const std::vector<std::string>& paths) {
  std::vector<StoredRow> rows;
  for (const std::string& path : paths) {
    const eval::MappedFile file = eval::MappedFile::open(path);
    if (file.text().starts_with("PK"))
      input_error(path, ": a spreadsheet; save it as TSV (pandas: read_excel, then to_csv with sep=\"\\t\")");
    const std::string_view text = py::strip(file.text());
    if (text.starts_with('[') || text.starts_with('{'))
      for_each_object(path, kWanted, [&](const JsonNode& entry) { rows.push_back(row_of(entry)); });
    else
      read_tsv_rows(path, rows);
  }
  return rows;
}

}  // namespace

ImportLayout vlmevalkit_layout() {
  return {"vlmevalkit", "VLMEvalKit: MODEL_DATASET.tsv or .json with a prediction column", "kind", read_vlmevalkit,
          [] { return rows_import_rules("VLMEvalKit"); }};
}

}  // namespace glmv
