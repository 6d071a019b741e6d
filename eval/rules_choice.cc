#include "eval/rule.h"
#include "eval/score_choice.h"
#include "eval/score_strict.h"

namespace glmv {

using nlohmann::json;

namespace {

std::vector<std::string> letters_of(const JsonNode& list) {
  std::vector<std::string> letters = texts_of(list);
  for (const std::string& letter : letters) {
    if (letter.empty()) list.refuse("a list of letters");
  }
  return letters;
}

}  // namespace

std::vector<Rule> choice_rules() {
  return {
      {"mc_can_infer", "the option a reply names, by letter or text; null if none, Z for a refusal", "VLMEvalKit",
       [](const JsonNode& in) {
         return or_null(mc_can_infer(in.at("prediction").text(), options_of(in.at("choices"))));
       }},
      {"mc_robust_priority", "the letter in the form of highest priority, then at the later place", "lmms-eval",
       [](const JsonNode& in) -> json {
         return mc_robust_priority(in.at("response").text(), letters_of(in.at("choices")));
       }},
      {"mc_tail_match", "answer tags, the tail of the thinking, the last lines, phrases; A-F or null", "VLMEvalKit",
       [](const JsonNode& in) { return or_null(mc_tail_match(in.at("prediction").text())); }},
      {"videomme_first_letter", "first capital A-D behind removed phrases", "VLMEvalKit",
       [](const JsonNode& in) -> json { return videomme_first_letter(in.at("prediction").text()); }},
      {"treebench_first_letter", "first capital A-E behind removed phrases, else the (X) that holds the reply",
       "VLMEvalKit", [](const JsonNode& in) -> json { return treebench_first_letter(in.at("prediction").text()); }},
      {"omnispatial_re", "last \"Answer: X\"; A where there is none", "lmms-eval",
       [](const JsonNode& in) -> json { return omnispatial_re(in.at("prediction").text()); }},
      {"blink_leading_letter", "the letter a reply begins with", "lmms-eval",
       [](const JsonNode& in) -> json { return blink_leading_letter(in.at("prediction").text()); }},
      {"lvbench_polish", "first character inside the first round brackets", "authors",
       [](const JsonNode& in) -> json { return lvbench_polish(in.at("answer").text()); }},
      {"motionbench_letter", "first A-F of the upper-cased reply, words included", "lmms-eval",
       [](const JsonNode& in) -> json { return motionbench_letter(in.at("prediction").text()); }},
      {"mvbench_check_ans", "first tokens of reply and gold, one inside the other", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         return mvbench_check_ans(in.at("prediction").text(), in.at("answer").text());
       }},
      {"mvbench_mcq_acc", "both sides reduced to a letter or a cleaned text", "lmms-eval",
       [](const JsonNode& in) -> json {
         return mvbench_mcq_acc(in.at("prediction").text(), in.at("answer").text()) ? 1 : 0;
       }},
      {"mmvu_rule", "letters, option texts, or open answers that contain one another", "lmms-eval",
       [](const JsonNode& in) -> json {
         const bool choice = in.at("question_type").text() == "multiple-choice";
         const Options choices = in.find("choices") != nullptr ? options_of(in.at("choices")) : Options{};
         return mmvu_rule(choice, in.at("answer").text(), choices, in.at("prediction").text());
       }},
      {"wemath_letter_rule", "first character behind the last \"Answer\"; null unless it is A-H", "VLMEvalKit",
       [](const JsonNode& in) { return or_null(wemath_letter_rule(in.at("prediction").text())); }},
      {"glmv_choice", "the option that the answer is and nothing else; null otherwise", "glmv",
       [](const JsonNode& in) {
         return or_null(strict_choice(in.at("prediction").text(), options_of(in.at("choices"))));
       }},
  };
}

}  // namespace glmv
