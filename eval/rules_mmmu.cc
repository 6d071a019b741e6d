#include "eval/rule.h"
#include "eval/score_mmmu.h"
#include "eval/text.h"

namespace glmv {

using nlohmann::json;

namespace {

std::vector<std::string> golds_of(const JsonNode& answer) {
  return answer.value.is_array() ? texts_of(answer) : std::vector<std::string>{answer.text()};
}

json open_eval(const JsonNode& in, OpenPhrases phrases) {
  const std::string response = in.at("response").text();
  const std::vector<std::string> golds = golds_of(in.at("answer"));
  if (phrases == OpenPhrases::all && response == "API Error") return false;  // the row is dropped
  return mmmu_open_equal(mmmu_open_parse(response, phrases), golds);
}

json as_json(const Normalized& values) {
  json out = json::array();
  for (const auto& value : values) std::visit([&](const auto& v) { out.push_back(v); }, value);
  return out;
}

}  // namespace

std::vector<Rule> mmmu_rules() {
  return {
      {"mmmu_mc_parse", "the letter of a reply: (X), X and a blank, X., option texts; null for a draw", "lmms-eval",
       [](const JsonNode& in) {
         return or_null(mmmu_mc_parse(in.at("response").text(), options_of(in.at("index2ans"))));
       }},
      {"mmmu_mc_parse_official", "the same as MMMU's own script has it: X between blanks, no X.", "authors",
       [](const JsonNode& in) {
         return or_null(mmmu_mc_parse_official(in.at("response").text(), options_of(in.at("index2ans"))));
       }},
      {"videommmu_mc_parse", "the letter of a reply: X. and X:, (X), X and a blank, option texts", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         return videommmu_mc_parse(in.at("response").text(), options_of(in.at("index2ans")));
       }},
      {"mmmu_open_eval", "open answers: tails behind key phrases and their numbers against the golds", "VLMEvalKit",
       [](const JsonNode& in) { return open_eval(in, OpenPhrases::all); }},
      {"mmmu_open_eval_official", "the same with the eight key phrases of MMMU's own script", "authors",
       [](const JsonNode& in) { return open_eval(in, OpenPhrases::eight); }},
      {"mmmu_normalize", "a number rounded to two decimals, or lower-cased texts", "authors",
       [](const JsonNode& in) { return as_json(mmmu_normalize(in.at("text").text())); }},
      {"mmmu_pro_cot_postproc", "the one letter, or all, behind the last line that begins with Answer:", "VLMEvalKit",
       [](const JsonNode& in) -> json { return mmmu_pro_cot_postproc(in.at("response").text()); }},
  };
}

}  // namespace glmv
