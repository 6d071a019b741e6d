#include "eval/import.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "reference/core/error.h"

namespace glmv {

const std::vector<ImportLayout>& layouts() {
  static const std::vector<ImportLayout> all = {mmmu_layout(), mathvista_layout(), lmms_eval_layout(),
                                                vlmevalkit_layout(), rows_layout()};
  return all;
}

const char* name_of(Disagreement cause) {
  switch (cause) {
    case Disagreement::draw: return "draw";
    case Disagreement::extraction: return "extraction";
    case Disagreement::normalisation: return "normalisation";
    case Disagreement::comparison: break;
  }
  return "comparison";
}

Disagreement cause_of(const Reading& a, const Reading& b) {
  if (a.drawn || b.drawn) return Disagreement::draw;
  if (a.extracted != b.extracted) return Disagreement::extraction;
  return a.normalized != b.normalized ? Disagreement::normalisation : Disagreement::comparison;
}

ImportReport score_stored(const ImportLayout& layout, const std::vector<std::string>& paths) {
  ImportReport report{layout.name, layout.read(paths), layout.rules(), {}};
  if (report.rows.empty()) input_error("--import ", layout.name, ": the files hold no response");
  for (const ImportRule& rule : report.rules) {
    std::vector<Reading> readings;
    for (const StoredRow& row : report.rows) {
      try {
        readings.push_back(rule.read(row));
      } catch (const Error& e) {
        throw Error(e.code(), concat(row.id, ": ", e.what()));
      }
    }
    report.readings.push_back(std::move(readings));
  }
  return report;
}

Tally tally(const ImportReport& report, size_t rule, const std::string& key, const std::string& group) {
  Tally t;
  for (size_t i = 0; i < report.rows.size(); ++i) {
    const auto value = report.rows[i].groups.find(key);
    if (!key.empty() && (value == report.rows[i].groups.end() || value->second != group)) continue;
    const Reading& reading = report.readings[rule][i];
    ++t.n;
    t.right += reading.right ? 1 : 0;
    t.drawn += reading.drawn ? 1 : 0;
    t.drawn_right += reading.drawn && reading.right ? 1 : 0;
  }
  return t;
}

std::vector<std::string> groups_of(const ImportReport& report, const std::string& key) {
  std::set<std::string> values, keys;
  for (const StoredRow& row : report.rows) {
    for (const auto& [name, value] : row.groups) {
      keys.insert(name);
      if (name == key) values.insert(value);
    }
  }
  if (!values.empty() || keys.empty()) return {values.begin(), values.end()};
  std::string known;
  for (const std::string& name : keys) known += concat(known.empty() ? "" : ", ", name);
  usage_error("--by ", key, ": the rows have ", known);
}

std::vector<std::string> files_of(const std::vector<std::string>& paths, const std::string& suffix) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.path().filename().string().ends_with(suffix)) found.push_back(entry.path().string());
    }
    if (found.empty()) input_error(path, ": no file here has a name that ends in ", suffix);
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace glmv
