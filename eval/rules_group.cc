#include <set>

#include "eval/rule.h"
#include "eval/score_group.h"
#include "eval/score_motion.h"

namespace glmv {

using nlohmann::json;

namespace {

/// An id that files write as a text or as a number.
std::string id_text(const JsonNode& node) {
  return node.value.is_number_integer() ? std::to_string(node.integer()) : node.text();
}

json circular(const JsonNode& in) {
  std::vector<CircularPass> passes;
  for (const JsonNode& row : in.at("group").list()) {
    CircularPass pass{row.at("GT").text(), row.at("prediction").text(), {}};
    for (char letter = 'A'; letter <= 'Z'; ++letter) {
      const std::string name(1, letter);
      if (row.find(name.c_str()) != nullptr) pass.options.emplace_back(name, row.at(name.c_str()).text());
    }
    passes.push_back(std::move(pass));
  }
  if (passes.empty()) in.at("group").refuse("a list with at least one pass");
  const auto hit = mmbench_circular(passes);
  return {{"rule_hit", hit ? json(*hit) : json(nullptr)}, {"exact_matching_score", hit.value_or(0)}};
}

json report(const JsonNode& in) {
  std::vector<MmbenchItem> items;
  for (const JsonNode& item : in.at("items").list())
    items.push_back({item.at("category").text(), item.at("l2-category").text(), mark_of(item.at("hit"))});
  return mmbench_report(items);
}

json hallusion(const JsonNode& in) {
  std::vector<HallusionItem> items;
  for (const JsonNode& item : in.at("items").list())
    items.push_back({item.at("index").text(), item.at("l2-category").text(), mark_of(item.at("score"))});
  const HallusionScores s = hallusionbench_aggregate(items);
  return {{"aAcc", s.all}, {"fAcc", s.figure}, {"qAcc", s.question}};
}

json dynamath(const JsonNode& in) {
  const JsonNode questions = in.at("per_question");
  questions.expect_object();
  std::vector<std::vector<int>> marks;
  for (const auto& [id, list] : questions.value.items()) {
    const JsonNode variants{list, concat(questions.where, '.', id)};
    marks.push_back(marks_of(variants));
    if (marks.back().empty()) variants.refuse("a list with at least one variant");
  }
  const DynamathScores s = dynamath_aggregate(marks);
  return {{"average", s.average}, {"worst_case", s.worst_case}};
}

json wemath(const JsonNode& in) {
  std::vector<WemathProblem> problems;
  for (const char* key : {"two_step", "three_step"}) {
    for (const JsonNode& problem : in.at(key).list())
      problems.push_back({marks_of(problem.at("steps")), static_cast<int>(mark_of(problem.at("multi")))});
  }
  const WemathScores s = wemath_four_dim(problems);
  return {{"IG", s.ig},
          {"IK", s.ik},
          {"CM_loose", s.cm_loose},
          {"CM_strict", s.cm_strict},
          {"RM_loose", s.rm_loose},
          {"RM_strict", s.rm_strict},
          {"score_strict", s.score_strict},
          {"score_loose", s.score_loose}};
}

std::vector<Scored> scored(const JsonNode& in, const char* group, const char* score) {
  std::vector<Scored> items;
  for (const JsonNode& item : in.at("items").list()) {
    const JsonNode value = item.at(score);
    items.push_back({item.at(group).text(), value.value.is_boolean() ? mark_of(value) : value.number()});
  }
  return items;
}

json durations(const JsonNode& in) {
  const std::vector<Scored> items = scored(in, "duration", "score");
  json out;
  for (const char* name : {"short", "medium", "long"}) {
    const auto mean = videomme_mean(items, name);
    out[name] = mean ? json(*mean) : json(nullptr);
  }
  const auto overall = videomme_mean(items, "");
  out["overall"] = overall ? json(*overall) : json(nullptr);
  return out;
}

json tracks(const JsonNode& in) {
  double right = 0, all = 0;
  json out;
  for (const char* track : {"perception", "comprehension", "adaptation"}) {
    double hits = 0;
    const std::vector<int> marks = marks_of(in.at(track));
    for (const int mark : marks) hits += mark;
    out[track] = marks.empty() ? 0 : 100 * hits / static_cast<double>(marks.size());
    right += hits, all += static_cast<double>(marks.size());
  }
  out["overall"] = all == 0 ? 0 : 100 * right / all;
  return out;
}

json motion_split(const JsonNode& in) {
  const MotionQuestion q = motionbench_split(in.at("text").text());
  json options = json::array();
  for (const auto& [label, text] : q.options) options.push_back({{"label", label}, {"text", text}});
  return {{"question", q.question}, {"options", options}};
}

json motion_accuracy(const JsonNode& in) {
  std::vector<std::pair<std::string, std::string>> questions;
  std::set<std::string> uids;
  for (const JsonNode& qa : in.at("qa").list()) {
    questions.emplace_back(id_text(qa.at("uid")), qa.at("answer").text());
    if (!uids.insert(questions.back().first).second) qa.at("uid").refuse("a uid of its own: it is there twice");
  }
  const JsonNode given = in.at("model_answers");
  given.expect_object();
  std::map<std::string, std::string> answers;
  for (const auto& [uid, letter] : given.value.items())
    answers[uid] = JsonNode{letter, concat(given.where, '.', uid)}.text();
  const MotionAccuracy a = motionbench_accuracy(questions, answers);
  return {{"acc", a.accuracy ? json(*a.accuracy) : json(nullptr)},
          {"right", a.right},
          {"total", a.total},
          {"answered", a.answered}};
}

}  // namespace

std::vector<Rule> group_rules() {
  return {
      {"mmbench_circular", "1 if every shifted pass is inferred right, 0 at a wrong one, null if open", "VLMEvalKit",
       circular},
      {"mmbench_report", "means overall, by level-2 category and by leaf category", "VLMEvalKit", report},
      {"hallusionbench_aggregate", "percent of right answers, figures and questions", "VLMEvalKit", hallusion},
      {"dynamath_aggregate", "share of right variants, and of questions right in all variants", "VLMEvalKit", dynamath},
      {"wemath_four_dim", "generalisation, knowledge, mastery and rote memorisation of composite problems",
       "VLMEvalKit", wemath},
      {"mmstar_l2_average", "mean over level-2 categories of their means", "lmms-eval",
       [](const JsonNode& in) -> json { return mean_of_group_means(scored(in, "l2_category", "score")); }},
      {"cvbench_overall", "half the mean of ADE20K and COCO, half Omni3D", "authors",
       [](const JsonNode& in) -> json { return cvbench_overall(scored(in, "source", "is_correct")); }},
      {"videomme_by_duration", "means of short, medium, long and all, to three decimals", "VLMEvalKit", durations},
      {"videommmu_overall", "percent per track and over all rows", "VLMEvalKit", tracks},
      {"motionbench_split", "stem and options of a question", "lmms-eval", motion_split},
      {"motionbench_accuracy", "right over questions that count", "authors", motion_accuracy},
  };
}

}  // namespace glmv
