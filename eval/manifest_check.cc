// What can only be checked when a manifest is read whole, and all manifests of a folder.
#include <filesystem>
#include <functional>
#include <set>

#include "data/file.h"
#include "data/json_file.h"
#include "eval/aggregate.h"
#include "eval/algorithms.h"
#include "eval/strict.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = 4u << 20;

/// Every name that a template or a rule refers to.
std::set<std::string> names_used(const Manifest& m, const std::map<std::string, JudgePrompt>& judges) {
  std::set<std::string> used = {"id"};
  for (const Frame& frame : m.frames) {
    collect_names(frame.system, used);
    for (const PromptPart& part : frame.parts) {
      collect_names(part.text, used);
      if (!part.if_field.empty()) used.insert(part.if_field);
      for (const auto& [name, value] : part.when.items()) used.insert(name);
    }
  }
  for (const RuleSpec& rule : m.rules) {
    collect_references(rule.steps, used);
    collect_references(rule.aggregate, used);
    if (rule.aggregate.value("how", "") == "wemath") used.insert({"problem", "key"});
    for (const Json& step : rule.steps) {
      if (step.is_object() && step.contains("judge"))
        collect_names(judges.at(step["judge"].get<std::string>()).text, used);
    }
  }
  if (!m.cluster.empty()) used.insert(m.cluster);
  if (used.count("options") + used.count("choice_letters") > 0) used.insert("choices");
  return used;
}

void check_fields(const Manifest& m, const std::map<std::string, JudgePrompt>& judges) {
  const std::set<std::string> used = names_used(m, judges);
  for (const Layout& layout : m.layouts) {
    for (const Field& field : layout.fields) {
      const bool carried =
          field.name == "category" || field.name == "question" || field.name == "answer";  // reports show them
      if (used.count(field.name) == 0 && !carried)
        input_error(m.path, ": field ", field.name, " is used by no prompt and no rule");
    }
  }
}

using Names = std::set<std::string>;

/// Do the conditions look only at what is there? A part or step with others belongs to another layout.
bool applies(const Json& when, const std::string& if_field, const Names& known) {
  bool all = if_field.empty() || known.count(if_field) > 0;
  for (const auto& [name, wanted] : when.items()) all = all && known.count(name) > 0;
  return all;
}

/// Error (exit code 3) for the first of `names` that nothing has.
void check_known(const Names& names, const Names& known, const std::string& where, const char* before,
                 const char* after) {
  for (const std::string& name : names) {
    if (known.count(name) == 0)
      input_error(where, ": ", before, name, after, ": no field of the layout and no step has this name");
  }
}

void check_prompts(const Manifest& m, const Names& fields) {
  for (const Frame& frame : m.frames) {
    const std::string where = concat(m.path, ": prompt ", frame.name);
    Names names;
    collect_names(frame.system, names);
    for (const PromptPart& part : frame.parts) {
      if (applies(part.when, part.if_field, fields)) collect_names(part.text, names);
    }
    if (names.erase("options") > 0) names.insert("choices");
    check_known(names, fields, where, "{", "}");
  }
}

/// What a step adds to the names, after those it looks at are found to be known.
void check_step(const Json& step, const std::map<std::string, JudgePrompt>& judges, const std::string& where,
                Names& known) {
  if (applies(step.value("when", Json::object()), "", known)) {
    Json looks_at = step;
    for (const char* key : {"when", "unless", "unless_null", "as"}) looks_at.erase(key);
    Names names;
    collect_references(looks_at, names);
    check_known(names, known, where, "$", "");
    Names asked;
    if (step.contains("judge")) collect_names(judges.at(step["judge"].get<std::string>()).text, asked);
    if (asked.erase("options") > 0) asked.insert("choices");
    check_known(asked, known, concat(where, " (judge prompt)"), "{", "}");
  }
  known.insert(step["as"].get<std::string>());
}

/// Every name that a prompt or a rule looks up is there in every layout: a misspelt one costs no request.
void check_names(const Manifest& m, const std::map<std::string, JudgePrompt>& judges) {
  for (const Layout& layout : m.layouts) {
    Names fields;
    for (const Field& field : layout.fields) fields.insert(field.name);
    check_prompts(m, fields);
    for (const RuleSpec& rule : m.rules) {
      Names known = fields;
      known.insert({"reply", "response", "score"});
      if (fields.count("choices") > 0) known.insert("choice_letters");
      const std::string where = concat(m.path, ": rule ", rule.name);
      for (size_t i = 0; i < rule.steps.size(); ++i)
        check_step(rule.steps[i], judges, concat(where, " step ", i), known);
      Names names;
      collect_references(rule.aggregate, names);
      check_known(names, known, where + " aggregate", "$", "");
    }
  }
}

void check_algorithms(const Manifest& m) {
  std::set<std::string> known;
  for (const AlgorithmInfo& info : algorithms()) known.insert(std::string(info.id));
  for (const std::string& id : m.algorithms) {
    if (known.count(id) == 0) input_error(m.path, ": algorithms: \"", id, "\" is not a scoring algorithm");
  }
  std::set<std::string> used;
  const std::function<void(const Json&)> collect = [&](const Json& value) {
    if (value.is_object() && value.contains("algorithm") && value["algorithm"].is_string())
      used.insert(value["algorithm"].get<std::string>());
    if (value.is_structured())
      for (const Json& one : value) collect(one);
  };
  for (const RuleSpec& rule : m.rules) collect(rule.steps), collect(rule.aggregate);
  for (const std::string& id : used) {
    if (known.count(id) == 0) input_error(m.path, ": \"", id, "\" is not a scoring algorithm");
  }
}

}  // namespace

void check_manifest(const Manifest& m, const std::map<std::string, JudgePrompt>& judges) {
  for (const RuleSpec& rule : m.rules) {
    check_rule(rule, judges, m.path);
    check_aggregate(rule.aggregate, m.path);
  }
  check_algorithms(m);
  check_fields(m, judges);
  check_names(m, judges);
}

std::vector<Manifest> read_manifests(const std::string& folder) {
  std::set<std::string> files;
  if (!fs::is_directory(folder)) input_error(folder, ": no such folder of manifests");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".json" && entry.path().stem() != "judges") files.insert(entry.path().string());
  }
  const auto judges = read_judge_prompts(folder + "/judges.json");
  std::vector<Manifest> out;
  for (const std::string& file : files) {
    out.push_back(read_manifest(file));
    check_manifest(out.back(), judges);
    if (fs::path(file).stem() != out.back().id)
      input_error(file, ": id is ", out.back().id, ", unlike the file's name");
  }
  return out;
}

std::map<std::string, JudgePrompt> read_judge_prompts(const std::string& path) {
  const Json root = parse_json_object(read_file(path, kMostBytes), path);
  std::map<std::string, JudgePrompt> out;
  for (const auto& [name, value] : root.items()) {
    StrictObject object({value, concat(path, ": ", name)});
    JudgePrompt one{name, object.text("source"), object.text("text"), object.integer_or("max_new_tokens", 512),
                    object.flag_or("pictures", false)};
    object.finish();
    out.emplace(name, one);
  }
  return out;
}

}  // namespace glmv::eval
