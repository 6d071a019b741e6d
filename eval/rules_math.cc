#include "eval/rule.h"
#include "eval/score_math.h"

namespace glmv {

using nlohmann::json;

namespace {

constexpr int64_t kMostDecimals = 1000;  // beyond 323 nothing changes

MathvistaAnswer mathvista_kind(const JsonNode& in) {
  MathvistaAnswer kind{in.at("question_type").text(), in.at("answer_type").text(), std::nullopt, std::nullopt};
  if (in.find("choices") != nullptr) kind.choices = texts_of(in.at("choices"));
  if (in.find("precision") != nullptr) {
    const JsonNode precision = in.at("precision");
    const double digits = precision.number();  // the data set stores 2 as 2.0
    if (digits != static_cast<double>(static_cast<int64_t>(digits)) || digits > kMostDecimals ||
        digits < -kMostDecimals)
      precision.refuse("a number of digits");
    kind.precision = static_cast<int>(digits);
  }
  return kind;
}

json mathvista(const JsonNode& in) {
  const MathvistaAnswer kind = mathvista_kind(in);
  if (kind.question_type == "multi_choice" && (!kind.choices || kind.choices->empty()))
    input_error(in.where, " choices is missing or empty, but question_type is multi_choice");
  const auto normalized = mathvista_normalize(in.at("extraction").text(), kind);
  return {{"normalized", or_null(normalized)}, {"correct", mathvista_equal(normalized, in.at("answer").text())}};
}

json dynamath(const JsonNode& in) {
  const std::string judge = in.find("judge_reply") != nullptr ? in.at("judge_reply").text() : "";
  const DynamathResult r =
      dynamath_item(in.at("prediction").text(), in.at("answer_type").text(), in.at("answer").text(), judge);
  json extracted = nullptr;
  if (const double* number = std::get_if<double>(&r.extracted)) extracted = *number;
  if (const std::string* text = std::get_if<std::string>(&r.extracted)) extracted = *text;
  return {{"parse", r.parsed}, {"extracted", extracted}, {"correct", r.correct}};
}

}  // namespace

std::vector<Rule> math_rules() {
  return {
      {"mathvista_normalize_equal", "an extraction in the form of the gold, compared as text", "lmms-eval", mathvista},
      {"mathvista_vlmevalkit_check", "letters by mc_can_infer, numbers by value, no free text", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         const std::string option = in.find("answer_option") != nullptr ? in.at("answer_option").text() : "";
         const std::string choices = in.find("choices") != nullptr ? in.at("choices").text() : "";
         return mathvista_vlmevalkit_check(in.at("question_type").text(), in.at("answer_type").text(),
                                           in.at("answer").text(), option, choices, in.at("res").text());
       }},
      {"mathvision_is_equal", "equal as text, as Python arithmetic, or as LaTeX that prints without names",
       "VLMEvalKit",
       [](const JsonNode& in) -> json {
         return mathvision_is_equal(in.at("prediction").text(), in.at("answer").text());
       }},
      {"mathvision_is_equal_lmms", "equal as text, element by element, or as LaTeX to two decimals", "lmms-eval",
       [](const JsonNode& in) -> json {
         return mathvision_is_equal_lmms(in.at("prediction").text(), in.at("answer").text());
       }},
      {"mathvision_find_answer", "the answer in the box, in the normal form of the MATH data set", "lmms-eval",
       [](const JsonNode& in) -> json { return mathvision_find_answer(in.at("text").text()); }},
      {"dynamath_item", "the short answer in a reply's JSON, else the reply, else the judge's", "VLMEvalKit", dynamath},
      {"logicvista_letters", "the letters a judge names against the gold's", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         const LogicvistaResult r = logicvista_letters(in.at("judge_output").text(), in.at("answer").text());
         return {{"parsed", r.parsed}, {"hit", r.hit ? 1 : 0}};
       }},
  };
}

}  // namespace glmv
