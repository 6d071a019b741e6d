#include "eval/rule.h"
#include "eval/score_answer.h"
#include "eval/score_judge.h"
#include "eval/score_strict.h"

namespace glmv {

using nlohmann::json;

namespace {

json threshold80(const JsonNode& in) {
  const JudgeScore r = vlm_judge_threshold80(in.at("judge_reply").text());
  return {{"score", r.score ? json::parse(*r.score, nullptr, false) : json(nullptr)}, {"correct", r.correct}};
}

json failed_samples(const JsonNode& in) {
  std::vector<Sample> samples;
  for (const JsonNode& s : in.at("samples").list()) {
    const bool answered = mark_of(s.at("answered")) != 0;
    const bool correct = s.find("correct") != nullptr && mark_of(s.at("correct")) != 0;
    samples.push_back({answered, correct});
  }
  const SampleAccuracy a = glm_failed_sample_rule(samples);
  return {{"accuracy", a.accuracy}, {"success_rate", a.success_rate}, {"reportable", a.reportable}};
}

}  // namespace

std::vector<Rule> judge_rules() {
  return {
      {"chartmuseum_extract", "text of the first <answer>, closed or not", "VLMEvalKit",
       [](const JsonNode& in) -> json { return chartmuseum_extract(in.at("prediction").text()); }},
      {"chartmuseum_verdict", "is \"yes\" anywhere in the judge's reply?", "VLMEvalKit",
       [](const JsonNode& in) -> json { return chartmuseum_verdict(in.at("judge_reply").text()) ? 1 : 0; }},
      {"vlm_judge_threshold80", "the judge's boxed score; right from 80 on", "report", threshold80},
      {"webvoyager_verdict", "SUCCESS or NOT SUCCESS, null for neither", "authors",
       [](const JsonNode& in) -> json {
         const auto verdict = webvoyager_verdict(in.at("judge_reply").text());
         return verdict ? json(*verdict) : json(nullptr);
       }},
  };
}

std::vector<Rule> answer_rules() {
  return {
      {"glm_box_extract", "every boxed answer of a reply", "GLM-V",
       [](const JsonNode& in) -> json { return glm_box_extract(in.at("text").text()); }},
      {"glmv_answer", "behind the thinking, the last box or answer tag, else all", "glmv",
       [](const JsonNode& in) -> json { return strict_answer(in.at("text").text()); }},
      {"without_reasoning_lmms", "the reply as lmms-eval hands it to its rules", "lmms-eval",
       [](const JsonNode& in) -> json { return without_reasoning_lmms(in.at("text").text()); }},
      {"without_reasoning_vlmevalkit", "the reply as VLMEvalKit with SPLIT_THINK hands it to its rules", "VLMEvalKit",
       [](const JsonNode& in) -> json { return without_reasoning_vlmevalkit(in.at("text").text()); }},
      {"glm_failed_sample_rule", "accuracy over answered requests; reportable from 95 % on", "report", failed_samples},
  };
}

}  // namespace glmv
