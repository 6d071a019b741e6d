// What stands beside a score: when it may be held against a published one, and why requests failed.
#include "eval/results.h"

#include <gtest/gtest.h>

namespace glmv::eval {
namespace {

/// A task of 1,000 samples with 80 % right and a published 81.
struct Scored {
  KeptTask task;
  RuleSpec rule;
  Published published;
  TaskScore score;

  Scored() {
    task.manifest.id = "t";
    task.manifest.samples = 1000;
    task.record = {{"samples_in_files", 1000}, {"left_out", 0}, {"hash", "not known"}};
    task.samples.resize(1000);
    published.model = "M";
    published.value = 81;
    rule.name = "official";
    RuleScore one;
    one.rule = &rule;
    one.total.headline = 80;
    one.interval = Interval{77, 83};
    score.task = &task;
    score.published = &published;
    score.reportable = true;
    score.success_rate = 1;
    score.rules.push_back(one);
  }
};

TEST(Gap, IsFormedForTheWholeSet) {
  Scored s;
  EXPECT_EQ(why_no_gap(s.score), "");
  EXPECT_EQ(gap_text(s.score), "-1.0, inside");
  s.published.value = 90;
  EXPECT_EQ(gap_text(s.score), "-10.0, outside");
  s.score.published = nullptr;
  EXPECT_EQ(gap_text(s.score) + why_no_gap(s.score), "") << "there is nothing to hold it against";
}

TEST(Gap, IsNotFormedForAnythingElse) {
  Scored chosen, files, other, failed;
  chosen.task.samples.resize(4);
  EXPECT_EQ(why_no_gap(chosen.score), "4 of 1,000 samples");
  chosen.task.record["hash"] = "matches";
  EXPECT_EQ(why_no_gap(chosen.score), "4 of 1,000 samples") << "a part of the right file";
  files.task.record["samples_in_files"] = 500;
  files.task.samples.resize(500);
  EXPECT_EQ(why_no_gap(files.score), "500 of 1,000 samples");
  other.task.record["hash"] = "differs";
  EXPECT_EQ(why_no_gap(other.score), "not the manifest's data (--any-hash)");
  failed.score.reportable = false;
  failed.score.success_rate = 0.9;
  EXPECT_EQ(why_no_gap(failed.score), "only 90.0 % of the requests succeeded");
  for (const Scored* s : {&chosen, &files, &other, &failed}) EXPECT_EQ(gap_text(s->score), "");
}

// Ref-L4's number is rounded, MotionBench's counts questions without an answer: both are whole.
TEST(Gap, ForgivesRoundedNumbersAndRowsThatAreLeftOut) {
  Scored rounded, left_out, circular;
  rounded.task.record["samples_in_files"] = 997;
  rounded.task.samples.resize(997);
  EXPECT_EQ(why_no_gap(rounded.score), "");
  left_out.task.record["samples_in_files"] = 400;
  left_out.task.record["left_out"] = 600;
  left_out.task.samples.resize(400);
  EXPECT_EQ(why_no_gap(left_out.score), "");
  circular.task.record["samples_in_files"] = 4000;  // rows of shifted options
  circular.task.samples.resize(4000);
  EXPECT_EQ(why_no_gap(circular.score), "");
}

TEST(Reasons, StandByFrequency) {
  EXPECT_EQ(reasons_text({}), "");
  EXPECT_EQ(reasons_text({{"HTTP 500", 1}, {"no connection", 3}, {"", 2}}),
            "3 x no connection; 2 x no reason given; 1 x HTTP 500");
  std::map<std::string, int64_t> many;
  for (char c = 'a'; c < 'h'; ++c) many[std::string(1, c)] = 1;
  EXPECT_TRUE(reasons_text(many).ends_with("; and 2 other reasons")) << reasons_text(many);
}

TEST(Reports, ReasonsAndProvenanceAreInBoth) {
  Scored s;
  s.score.reasons = {{"no connection", 3}};
  KeptRun run;
  run.record = {{"model", {{"model", "<m>"}}},
                {"command", "glmv eval --tasks t"},
                {"created", "2026-11-28T08:00:00Z"},
                {"commit", "abc"},
                {"repeat", 1}};
  s.score.rules[0].verdicts.resize(1);
  const Scoring scoring{"2026-11-28T09:00:00Z", "1.2.3", "def", "a judge", 7, 1000};
  const std::string text = results_markdown(run, {s.score}, scoring), page = results_html(run, {s.score}, scoring, {});
  for (const char* part : {"glmv eval --tasks t", "2026-11-28T08:00:00Z", "commit abc", "2026-11-28T09:00:00Z",
                           "glmv 1.2.3, commit def", "bootstrap seed 7", "a judge", "3 x no connection"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << '\n' << text;
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("<m>"), std::string::npos) << "text of others is escaped";
}

}  // namespace
}  // namespace glmv::eval
