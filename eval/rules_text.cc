#include "eval/rule.h"
#include "eval/score_strict.h"
#include "eval/score_text.h"

namespace glmv {

using nlohmann::json;

std::vector<Rule> text_rules() {
  return {
      {"process_punctuation", "the VQA rule: marks deleted or made blanks", "VLMEvalKit",
       [](const JsonNode& in) -> json { return process_punctuation(in.at("text").text()); }},
      {"yes_no_extract", "Yes, No or Unknown, by the words yes and no", "VLMEvalKit",
       [](const JsonNode& in) -> json { return yes_no_extract(in.at("prediction").text()); }},
      {"ocrbench_contains", "is a gold part of the reply?", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         const bool formula = in.at("category").text() == "Handwritten Mathematical Expression Recognition";
         return ocrbench_contains(in.at("prediction").text(), texts_of(in.at("answers")), formula) ? 1 : 0;
       }},
      {"ocrbench_contains_fullwidth", "the same with full-width ASCII folded", "lmms-eval",
       [](const JsonNode& in) -> json {
         const bool formula = in.at("dataset").text() == "HME100k";
         return ocrbench_contains_fullwidth(in.at("prediction").text(), texts_of(in.at("answers")), formula) ? 1 : 0;
       }},
      {"squad_normalize", "lower case, no punctuation, no articles, single blanks", "SQuAD v1.1",
       [](const JsonNode& in) -> json { return squad_normalize(in.at("text").text()); }},
      {"webquest_relaxed", "integers exact, floats within 5 %, texts normalised; best variant", "paper",
       [](const JsonNode& in) -> json {
         return webquest_relaxed(in.at("prediction").text(), texts_of(in.at("gold_variants"))) ? 1 : 0;
       }},
      {"zerobench_contains", "is the gold part of the last {...}?", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         return zerobench_contains(in.at("prediction").text(), in.at("answer").text());
       }},
      {"zerobench_exact", "equal as decimals, else as cleaned texts", "lmms-eval",
       [](const JsonNode& in) -> json { return zerobench_exact(in.at("prediction").text(), in.at("answer").text()); }},
      {"glmv_equal", "the answer equals the gold as a number or as a text", "glmv",
       [](const JsonNode& in) -> json { return strict_equal(in.at("prediction").text(), in.at("answer").text()); }},
  };
}

}  // namespace glmv
