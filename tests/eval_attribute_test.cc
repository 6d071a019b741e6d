// Why two runs differ: every cause planted once, and the test on what is left.
#include "eval/attribute.h"

#include <gtest/gtest.h>

namespace glmv::eval {
namespace {

/// A run of one task whose samples are right or wrong as told.
struct Planted {
  KeptRun run;
  RuleSpec rule;
  std::vector<TaskScore> scores;

  Planted() {
    rule.name = "official";
    rule.aggregate = {{"how", "mean"}};
  }
  void add(const std::string& id, bool right, const std::function<void(Response&, Verdict&)>& change = {}) {
    Response r;
    r.text = "same";
    r.finish_reason = "stop";
    r.sent = {{"prompt", "question of " + id}, {"max_new_tokens", 100}};
    Verdict v{"scored", right ? 1.0 : 0.0, {{"reply", "same"}, {"score", right}}, Json::array()};
    if (change) change(r, v);
    run.responses[id] = r;
    verdicts.push_back(v);
    ids.push_back(id);
  }
  void finish() {
    run.tasks.resize(1);
    run.tasks[0].manifest.id = "t";
    scores.resize(1);
    scores[0].task = &run.tasks[0];
    RuleScore score;
    score.rule = &rule;
    score.verdicts = {verdicts};
    for (size_t i = 0; i < ids.size(); ++i) {
      run.tasks[0].samples.push_back({ids[i], Json::object(), {&run.responses[ids[i]]}});
      scores[0].answered.push_back(i);
    }
    scores[0].rules.push_back(std::move(score));
  }
  std::vector<Verdict> verdicts;
  std::vector<std::string> ids;
};

TEST(Attribute, FindsEveryPlantedCause) {
  Planted a, b;
  a.add("agrees", true);
  b.add("agrees", true);
  a.add("input", true);
  b.add("input", false, [](Response& r, Verdict&) {
    r.sent["prompt"] = "question of input, with a hint";
    r.text = "other";
  });
  a.add("pixels", true, [](Response& r, Verdict&) { r.sent["picture_sha256"] = {"1"}; });
  b.add("pixels", false, [](Response& r, Verdict&) {
    r.sent["picture_sha256"] = {"2"};
    r.text = "other";
  });
  a.add("cut", false, [](Response& r, Verdict&) {
    r.finish_reason = "length";
    r.text = "sa";
  });
  b.add("cut", true);
  a.add("forced", false, [](Response& r, Verdict&) {
    r.forced = true;
    r.text = "sa";
  });
  b.add("forced", true);
  for (int i = 0; i < 5; ++i) {
    a.add("noise" + std::to_string(i), true);
    b.add("noise" + std::to_string(i), false, [](Response& r, Verdict&) { r.text = "other"; });
  }
  a.add("judge", true, [](Response&, Verdict& v) { v.judged.push_back({{"replies", {"1"}}, {"accepted", true}}); });
  b.add("judge", false, [](Response&, Verdict& v) { v.judged.push_back({{"replies", {"0"}}, {"accepted", true}}); });
  a.add("rule", true, [](Response&, Verdict& v) { v.values["letter"] = "B"; });
  b.add("rule", false, [](Response&, Verdict& v) { v.values["letter"] = nullptr; });
  a.add("gone", true);
  a.finish();
  b.finish();
  const TaskComparison c = compare_runs(a.run, a.scores, b.run, b.scores).at(0);
  std::map<std::string, std::string> cause, detail;
  for (const Difference& d : c.differences) cause[d.sample] = name_of(d.cause), detail[d.sample] = d.detail;
  EXPECT_EQ(c.differences.size(), 11u);
  EXPECT_EQ(cause.count("agrees"), 0u);
  EXPECT_EQ(cause["input"], "input");
  EXPECT_EQ(cause["pixels"], "input");
  EXPECT_EQ(cause["cut"], "truncation");
  EXPECT_EQ(cause["forced"], "truncation");
  EXPECT_EQ(cause["noise3"], "text");
  EXPECT_EQ(cause["judge"], "judge");
  EXPECT_EQ(cause["rule"], "extraction");
  EXPECT_NE(detail["input"].find("with a hint"), std::string::npos) << detail["input"];
  EXPECT_NE(detail["rule"].find("letter"), std::string::npos) << detail["rule"];
  EXPECT_EQ(c.only_in_first, 1);
  EXPECT_EQ(c.first_better, 9);
  EXPECT_EQ(c.second_better, 2);
  EXPECT_NEAR(c.p, mcnemar(9, 2), 1e-15);
  EXPECT_EQ(c.rest_first_better, 5);
  EXPECT_NEAR(c.rest_p, 2.0 / 32, 1e-12);
}

// A run in which some requests failed: its number is of fewer samples, and what is missing is no disagreement.
TEST(Attribute, WhatOneSideDidNotAnswerIsCountedApart) {
  Planted a, b;
  for (const char* id : {"1", "2", "3", "4"}) {
    a.add(id, id[0] != '4');
    b.add(id, true);
  }
  a.finish();
  b.finish();
  a.scores[0].rules[0].total.headline = 75;
  b.scores[0].answered = {0, 1, 2};
  b.scores[0].rules[0].verdicts[0].pop_back();
  b.scores[0].rules[0].total.headline = 100;
  const TaskComparison c = compare_runs(a.run, a.scores, b.run, b.scores).at(0);
  EXPECT_EQ(c.common, 4);
  EXPECT_EQ(c.both_answered, 3);
  EXPECT_EQ(c.disagree, 0);
  EXPECT_EQ(c.unanswered_in_second, 1);
  EXPECT_EQ(c.differences.size(), 1u) << "it is listed all the same";
  EXPECT_NEAR(c.first_of_both.value(), 100, 1e-12);
  const std::string text = comparison_text({c}, true);
  EXPECT_NE(text.find("75.0 of 4 answered vs 100.0 of 3 answered"), std::string::npos) << text;
  EXPECT_NE(text.find("3 answered in both: 100.0 vs 100.0 on those"), std::string::npos) << text;
}

TEST(Attribute, RunsWithoutACommonTaskAreRefused) {
  Planted a, b;
  a.add("x", true);
  b.add("x", true);
  a.finish();
  b.finish();
  b.run.tasks[0].manifest.id = "other";
  EXPECT_ANY_THROW(compare_runs(a.run, a.scores, b.run, b.scores));
}

}  // namespace
}  // namespace glmv::eval
