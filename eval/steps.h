// One response -> a verdict, by the steps a manifest's rule names.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "eval/manifest.h"

namespace glmv::eval {

/// What a sample got under a rule.
struct Verdict {
  std::string status;           ///< "scored", "needs_judge", "needs_browser"
  std::optional<double> score;  ///< nothing: not inferable, or not scored
  Json values;                  ///< the sample's fields, $reply, and what each step left
  Json judged = Json::array();  ///< each judge call: prompt, prompt_sha256, replies, accepted
};

/// Asks the judge; nothing if there is none. `attempt` from 0.
using AskJudge =
    std::function<std::optional<std::string>(const JudgePrompt& prompt, const std::string& text, int attempt)>;

struct RuleContext {
  const std::map<std::string, JudgePrompt>& judge_prompts;
  AskJudge ask;  ///< empty: there is no judge
  bool without_judge =
      false;  ///< "--judge none": optional judge steps are passed over, as the toolkits' exact matching does
  /// The text blocks of a page as a browser lays it out; nothing if there is no browser.
  std::function<std::optional<Json>(const std::string& html)> page_blocks;
};

/// A rule is a list of steps; each leaves a value under its name ("as"), the last one "score" (true, false or a
/// number):
///   {"algorithm": id, "input": {...}}     the scoring rule of that id; "$name" refers to fields and earlier values
///   {"judge": prompt, "accept": kind, "optional": bool}   up to three tries for a reply of the kind ("letter" of an
///        option or Z, "upper" case letters, "yes_no", "zero_one", "any"); then null, and counted
///   {"page_blocks": html}                 where a browser puts the page's text
///   {"equal": [a, b]} and the other operations of step_ops.h
/// Beside the fields there are $reply (the part of the response the rule looks at), $response (all of it) and, where a
/// row has choices, $choice_letters. Any step may have "when" {name: value} and "unless" (a name whose value, if not
/// null, makes the step superfluous). Error (exit code 2) for a step that is none of these.
Verdict apply_rule(const RuleSpec& rule, const Json& fields, const std::string& response, const RuleContext& context,
                   const std::string& where);

/// Checks what can be checked without a sample. Error (exit code 3) names the step.
void check_rule(const RuleSpec& rule, const std::map<std::string, JudgePrompt>& judge_prompts,
                const std::string& where);

}  // namespace glmv::eval
