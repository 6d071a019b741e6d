#include "eval/rule.h"
#include "eval/score_choice.h"

namespace glmv {

using nlohmann::json;

std::vector<Rule> choice_rules() {
  return {
      {"mc_can_infer", "the option a reply names, by letter or text; null if none, Z for a refusal", "VLMEvalKit",
       [](const JsonNode& in) {
         return or_null(mc_can_infer(in.at("prediction").text(), options_of(in.at("choices"))));
       }},
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
      {"mmmu_pro_cot_postproc", "the one letter, or all, behind the last line that begins with Answer:", "VLMEvalKit",
       [](const JsonNode& in) -> json { return mmmu_pro_cot_postproc(in.at("response").text()); }},
      {"wemath_letter_rule", "first character behind the last \"Answer\"; null unless it is A-H", "VLMEvalKit",
       [](const JsonNode& in) { return or_null(wemath_letter_rule(in.at("prediction").text())); }},
  };
}

}  // namespace glmv
