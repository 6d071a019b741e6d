#include "eval/rule.h"
#include "eval/score_anls.h"
#include "eval/score_number.h"

namespace glmv {

using nlohmann::json;

namespace {

ChartqaproRow chartqapro_row(const JsonNode& in) {
  ChartqaproRow row{texts_of(in.at("Answer")), in.at("Question Type").text(), {}};
  if (in.find("Year") != nullptr) row.year = texts_of(in.at("Year"));
  if (row.answers.empty()) in.at("Answer").refuse("a list with an answer");
  return row;
}

std::vector<DocumentScore> document_scores(const JsonNode& list) {
  std::vector<DocumentScore> out;
  for (const JsonNode& item : list.list())
    out.push_back({item.at("answer").text(), item.at("pred").text(), item.at("score").number()});
  return out;
}

/// A row without an answer has the format None, which some files write as null.
std::string format_of(const JsonNode& in) {
  return in.find("answer_format") != nullptr ? in.at("answer_format").text() : "None";
}

}  // namespace

std::vector<Rule> document_rules() {
  return {
      {"anls_docvqa", "edit-distance similarity over the raw length; exactly one half is kept", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         const AnlsDocvqa r = anls_docvqa(in.at("groundtruth").text(), in.at("prediction").text());
         return {{"normalized_distance", r.distance}, {"score", r.score}};
       }},
      {"anls_package", "edit-distance similarity over the squeezed length; kept below the threshold only", "PyPI anls",
       [](const JsonNode& in) -> json {
         return anls_package(in.at("gold").text(), in.at("prediction").text(), in.at("threshold").number());
       }},
      {"relaxed_accuracy", "within 5 % of a number that is not 0, else equal without case", "VLMEvalKit",
       [](const JsonNode& in) -> json { return relaxed_accuracy(in.at("target").text(), in.at("prediction").text()); }},
      {"chartqapro_relaxed", "elements compared exactly (years), within 5 %, or by ANLS", "authors, VLMEvalKit",
       [](const JsonNode& in) -> json { return chartqapro_relaxed(chartqapro_row(in), in.at("prediction").text()); }},
      {"chartqapro_relaxed_exact_mc", "the same with Fact Checking and Multi Choice compared exactly", "lmms-eval",
       [](const JsonNode& in) -> json {
         return chartqapro_relaxed_exact_mc(chartqapro_row(in), in.at("prediction").text());
       }},
      {"mmlongbench_eval_score", "integers, floats, texts and lists of documents", "authors, VLMEvalKit",
       [](const JsonNode& in) -> json {
         return mmlongbench_eval_score(in.at("answer").text(), in.at("prediction").text(), format_of(in));
       }},
      {"mmlongbench_eval_score_lmms", "the same as lmms-eval has it: first numbers, units removed", "lmms-eval",
       [](const JsonNode& in) -> json {
         return mmlongbench_eval_score_lmms(in.at("answer").text(), in.at("prediction").text(), format_of(in));
       }},
      {"mmlongbench_f1", "harmonic mean of the means over answerable golds and answerable predictions", "VLMEvalKit",
       [](const JsonNode& in) -> json { return mmlongbench_f1(document_scores(in.at("items"))); }},
      {"mmlongbench_f1_official", "the same with the golds' sum over both counts", "authors",
       [](const JsonNode& in) -> json { return mmlongbench_f1_official(document_scores(in.at("items"))); }},
  };
}

}  // namespace glmv
