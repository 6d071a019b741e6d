// lmms-eval's samples_<task>.jsonl, and the file of the same shape that a run of `glmv eval` writes: one object per
// line with doc_id, doc (the data set's row), target and resps.
#include <nlohmann/json.hpp>

#include "eval/import_fields.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using nlohmann::json;

constexpr const char* kWanted = "{doc_id, doc, target, resps}";

/// [["text"]], ["text"] or "text": the first response.
std::string first_text(const JsonNode& node) {
  if (!node.value.is_array()) return scalar_text(node);
  const std::vector<JsonNode> list = node.list();
  if (list.empty()) node.refuse("a response");
  return first_text(list[0]);
}

/// Where the data sets keep their options: one field, or columns A, B, C ...
Options options_of_doc(const JsonNode& doc) {
  for (const char* key : {"choices", "options", "index2ans"}) {
    const json* found = doc.find(key);
    if (found != nullptr && !found->empty() && *found != "" && *found != "[]") return any_options(doc.at(key));
  }
  Options out;
  for (char letter = 'A'; letter <= 'Z'; ++letter) {
    const std::string key(1, letter);
    const json* found = doc.find(key.c_str());
    if (found == nullptr || *found == "") break;
    out.emplace_back(key, scalar_text(doc.at(key.c_str())));
  }
  return out;
}

/// A task with options may give the gold as an option's number, from 0.
std::vector<std::string> golds_of(const JsonNode& target, const Options& options) {
  if (target.value.is_number_integer() && !options.empty()) {
    const int64_t index = target.integer();
    if (index < 0 || index >= static_cast<int64_t>(options.size())) target.refuse("the number of an option");
    return {options[static_cast<size_t>(index)].first};
  }
  return golds_for(options, scalar_texts(target));
}

/// The verdict of our headline rule, or of exact matching, if it is 0 or 1.
std::optional<bool> verdict_of(const JsonNode& line) {
  for (const char* key : {"score,official", "exact_match"}) {
    const json* found = line.find(key);
    const double mark = found != nullptr && found->is_number() ? found->get<double>() : -1;
    if (mark == 0 || mark == 1) return mark == 1;
  }
  return std::nullopt;
}

StoredRow row_of(const JsonNode& line) {
  StoredRow row;
  row.id = scalar_text(line.at("doc_id"));
  if (const json* repeat = line.find("repeat"); repeat != nullptr && *repeat != 0)
    row.id += concat(" repeat ", line.at("repeat").integer());
  if (line.find("doc") != nullptr) {
    const JsonNode doc = line.at("doc");
    doc.expect_object();
    row.options = options_of_doc(doc);
    add_groups(doc.value, {"id", "question", "answer"}, row);
  }
  row.golds = golds_of(line.at("target"), row.options);
  row.response = first_text(line.at(line.find("resps") != nullptr ? "resps" : "filtered_resps"));
  row.groups["kind"] = row.options.empty() ? "open" : "choice";
  row.verdict = verdict_of(line);
  return row;
}

/// A sample is written once for each filter; the response is the same, so the first is taken.
std::vector<StoredRow> read_lmms(const std::vector<std::string>& paths) {
  std::vector<StoredRow> rows;
  for (const std::string& path : paths) {
    std::set<std::string> seen;
    for_each_object(path, kWanted, [&](const JsonNode& line) {
      StoredRow row = row_of(line);
      if (seen.insert(row.id).second) return rows.push_back(std::move(row));
      if (line.find("filter") == nullptr) input_error(line.where, ": doc_id ", row.id, " is there twice");
    });
  }
  return rows;
}

}  // namespace

ImportLayout lmms_eval_layout() {
  return {"lmms-eval", "samples JSONL of lmms-eval or of a run of glmv eval: doc_id, doc, target, resps", "kind",
          read_lmms, [] { return rows_import_rules("lmms-eval"); }};
}

}  // namespace glmv
