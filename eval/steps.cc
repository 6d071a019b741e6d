#include "eval/steps.h"

#include <algorithm>
#include <set>

#include "data/checkpoint.h"
#include "data/utf8.h"
#include "eval/algorithms.h"
#include "eval/answer.h"
#include "eval/step_ops.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

constexpr int kMostTries = 3;

bool is_upper(const std::string& reply) {
  return !reply.empty() && reply.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
}

bool accepted(const std::string& how, const std::string& reply, const Json& values) {
  if (how == "upper") return is_upper(reply);
  if (how == "yes_no") return reply == "Yes" || reply == "No" || reply == "Unknown";
  if (how == "zero_one") return reply == "0" || reply == "1";
  if (how != "letter") return true;
  const auto choices = values.find("choices");
  return reply == "Z" || (choices != values.end() && choices->contains(reply));
}

/// Asks up to three times; null if no reply was of the kind that is wanted.
Json ask_judge(const Json& step, const RuleContext& context, Verdict& v, const std::string& where) {
  const JudgePrompt& prompt = context.judge_prompts.at(step["judge"].get<std::string>());
  const std::string text = fill_template(prompt.text, v.values, "{letter}. {text}", where);
  Json call = {{"judge_prompt", prompt.name},
               {"prompt_sha256", sha256_hex(text.data(), text.size())},
               {"replies", Json::array()},
               {"accepted", false}};
  Json value;
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    const auto reply = context.ask(prompt, text, attempt);
    if (!reply) return Json();  // the caller asks whether there is a judge
    call["replies"].push_back(*reply);
    const std::string stripped(strip(*reply));
    if (accepted(step.value("accept", "any"), stripped, v.values)) {
      call["accepted"] = true;
      value = stripped;
      break;
    }
  }
  v.judged.push_back(std::move(call));
  return value;
}

Json run_step(const Json& step, Verdict& v, const std::string& where) {
  if (step.contains("algorithm"))
    return run_algorithm(step["algorithm"].get<std::string>(), resolve(step["input"], v.values, where));
  for (const auto& [key, operands] : step.items()) {
    if (step_operations().count(key) > 0) return run_operation(key, operands, v.values, where);
  }
  usage_error(where, ": a step that is none: ", step.dump());
}

std::optional<double> number_of(const Json& score) {
  if (score.is_boolean()) return score.get<bool>() ? 1.0 : 0.0;
  if (score.is_number()) return score.get<double>();
  return std::nullopt;
}

bool superfluous(const Json& step, const Json& values) {
  if (step.contains("when") && !holds(step["when"], values)) return true;
  const auto known = [&](const Json& name) {
    const auto found = values.find(name.get<std::string>());
    return found != values.end() && !found->is_null();
  };
  if (step.contains("unless") && known(step["unless"])) return true;
  if (!step.contains("unless_null")) return false;
  const Json& names = step["unless_null"];
  return names.is_array() ? !std::all_of(names.begin(), names.end(), known) : !known(names);
}

}  // namespace

Verdict apply_rule(const RuleSpec& rule, const Json& fields, const std::string& response, const RuleContext& context,
                   const std::string& where) {
  Verdict v{"scored", {}, fields, Json::array()};
  v.values["reply"] = reply_for_rule(rule.reply, response);
  v.values["response"] = response;
  v.values["score"] = nullptr;
  if (fields.contains("choices")) {
    v.values["choice_letters"] = Json::array();
    for (const auto& [letter, text] : fields["choices"].items()) v.values["choice_letters"].push_back(letter);
  }
  for (const Json& step : rule.steps) {
    const std::string as = step["as"].get<std::string>();
    if (superfluous(step, v.values)) {
      if (!v.values.contains(as)) v.values[as] = nullptr;
      continue;
    }
    if (step.contains("page_blocks")) {
      const auto blocks = context.page_blocks
                              ? context.page_blocks(text_of(resolve(step["page_blocks"], v.values, where)))
                              : std::nullopt;
      if (!blocks) v.status = "needs_browser";
      v.values[as] = blocks.value_or(Json());
    } else if (!step.contains("judge")) {
      v.values[as] = run_step(step, v, where);
    } else if (context.ask) {
      v.values[as] = ask_judge(step, context, v, where);
      if (v.judged.empty()) v.status = "needs_judge";
    } else if (step.value("optional", false) && context.without_judge) {
      v.values[as] = nullptr;
    } else {
      v.status = "needs_judge";
    }
    if (v.status != "scored") return v;
  }
  v.score = number_of(v.values["score"]);
  return v;
}

void check_rule(const RuleSpec& rule, const std::map<std::string, JudgePrompt>& judge_prompts,
                const std::string& where) {
  std::set<std::string> kinds = step_operations();
  kinds.insert({"algorithm", "judge", "page_blocks"});
  const std::set<std::string> options = {"as", "input", "when", "unless", "unless_null", "accept", "optional"};
  const std::set<std::string> accepts = {"any", "letter", "upper", "yes_no", "zero_one"};
  if (!rule.steps.is_array() || rule.steps.empty()) input_error(where, ": rule ", rule.name, " has no steps");
  bool scores = false;
  for (size_t i = 0; i < rule.steps.size(); ++i) {
    const Json& step = rule.steps[i];
    const std::string place = concat(where, ": rule ", rule.name, " step ", i);
    int found = 0;
    for (const auto& [key, value] : step.items()) {
      if (kinds.count(key) > 0)
        ++found;
      else if (options.count(key) == 0)
        input_error(place, ": ", key, " is not a key of this format");
    }
    if (found != 1) input_error(place, ": algorithm, judge, page_blocks or one operation is wanted");
    if (step.contains("accept") && accepts.count(step["accept"].get<std::string>()) == 0)
      input_error(place, ": accept is ", step["accept"].dump());
    const bool has_input = step.contains("input");
    if (has_input != step.contains("algorithm")) input_error(place, ": input belongs to algorithm");
    if (!step.contains("judge") && (step.contains("accept") || step.contains("optional")))
      input_error(place, ": accept and optional belong to judge");
    if (step.contains("judge") && judge_prompts.count(step["judge"].get<std::string>()) == 0)
      input_error(place, ": judge prompt \"", step["judge"].get<std::string>(), "\" is not defined");
    if (!step.contains("as") || !step["as"].is_string()) input_error(place, ": as is missing");
    scores = scores || step["as"] == "score";
  }
  if (!scores) input_error(where, ": rule ", rule.name, " leaves no score");
}

}  // namespace glmv::eval
