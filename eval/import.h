// Stored responses in the file layouts of the benchmarks' authors, scored again under several rules.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/score_choice.h"
#include "eval/score_math.h"

namespace glmv {

/// One response with what is needed to score it.
struct StoredRow {
  std::string id;
  std::map<std::string, std::string> groups;  ///< "subject" -> "Art"
  Options options;                            ///< empty for an open question
  std::vector<std::string> golds;             ///< a letter, or any of these texts
  std::string response;
  MathvistaAnswer kind;                   ///< MathVista only
  std::optional<std::string> extraction;  ///< by the authors' judge
  std::optional<std::string> prediction;  ///< the extraction in the form of the gold, as stored
  std::optional<bool> verdict;            ///< as stored
};

/// How one rule reads a row.
struct Reading {
  bool right = false;
  std::optional<std::string> extracted, normalized;
  bool drawn = false;  ///< the rule found nothing and drew an option, or would draw one
};

struct ImportRule {
  std::string name;    ///< "official", "VLMEvalKit", "lmms-eval", "strict"
  std::string detail;  ///< ids of the algorithms
  std::function<Reading(const StoredRow&)> read;
};

struct ImportLayout {
  std::string name, meaning;
  std::string group;  ///< the table's default key
  std::vector<StoredRow> (*read)(const std::vector<std::string>& paths);
  std::vector<ImportRule> (*rules)();  ///< the first one gives the table
};

/// mmmu, mathvista, lmms-eval, vlmevalkit, rows. Readers: Error (exit code 3) that names file, row, field and value.
const std::vector<ImportLayout>& layouts();
ImportLayout mmmu_layout();
ImportLayout mathvista_layout();
ImportLayout lmms_eval_layout();
ImportLayout vlmevalkit_layout();
ImportLayout rows_layout();

/// Why two rules judge one row differently, in the order in which causes are looked for.
enum class Disagreement {
  draw,           ///< one of them drew, or has nothing but a draw
  extraction,     ///< they take different things from the response
  normalisation,  ///< they give the same thing different forms
  comparison,     ///< they compare the same forms differently
};
const char* name_of(Disagreement cause);
Disagreement cause_of(const Reading& a, const Reading& b);

struct ImportReport {
  std::string layout;
  std::vector<StoredRow> rows;
  std::vector<ImportRule> rules;
  std::vector<std::vector<Reading>> readings;  ///< [rule][row]
};
ImportReport score_stored(const ImportLayout& layout, const std::vector<std::string>& paths);

/// Right of n and Wilson's 95 % interval, as shares.
struct Tally {
  int64_t right = 0, n = 0, drawn = 0, drawn_right = 0;
};
Tally tally(const ImportReport& report, size_t rule, const std::string& key, const std::string& group);
/// The values of a key, sorted. Error (exit code 2) if no row has it.
std::vector<std::string> groups_of(const ImportReport& report, const std::string& key);

/// The table by groups, the ladder of rules, and with `attribute` every row on which two rules disagree.
std::string import_text(const ImportReport& report, const std::string& key, bool attribute);
nlohmann::json import_json(const ImportReport& report, const std::string& key, bool attribute);

/// The .json and .jsonl files that paths name: files as they are, folders searched for names that end in `suffix`.
std::vector<std::string> files_of(const std::vector<std::string>& paths, const std::string& suffix);

}  // namespace glmv
