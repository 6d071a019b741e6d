// The twin's own benchmarks, on the embedded model: the answers of the Hugging Face model and its score.
#include "eval_fixture.h"

namespace glmv {
namespace {

class EvalTwin : public EvalCli {};

TEST_F(EvalTwin, GivesTheAnswersAndTheScoreOfTheHuggingFaceModel) {
  const Json heldout = Json::parse(read(kTwin + "/heldout/heldout.json"));
  const Result r = glmv(
      "eval --tasks twin_text,twin_number,twin_yes_no,twin_choice,twin_box,twin_clip,twin_bars,twin_thinking -o run");
  ASSERT_EQ(r.code, 0) << r.err;
  std::map<std::string, std::string> text;
  for (const Json& line : lines("run/responses.jsonl"))
    text[line["sample"].get<std::string>()] = line["text"].get<std::string>();
  EXPECT_EQ(text.size(), 123u);
  int64_t right = 0;
  for (const Json& p : heldout["prompts"]) {
    std::string wanted = p["text"].get<std::string>();
    const std::string end = "<|user|>";
    if (wanted.ends_with(end)) wanted.resize(wanted.size() - end.size());
    EXPECT_EQ(text[p["id"].get<std::string>()], wanted) << p["id"];
    right += p["right"].get<bool>();
  }
  const Json found = results("run");
  double ours = 0;
  for (const auto& [task, result] : found["results"].items()) {
    ours += result["score,official"].get<double>() / 100 * found["n-samples"][task]["answered"].get<double>();
    EXPECT_NEAR(result["published"]["gap"].get<double>(), 0, 1e-4) << task;
    EXPECT_TRUE(result["published"]["inside_ci95"].get<bool>()) << task;
  }
  EXPECT_NEAR(ours, static_cast<double>(right), 1e-9);
  EXPECT_EQ(right, 117);
  EXPECT_NE(read(path("run/report.html")).find("data:image/png;base64,"), std::string::npos)
      << "wrong answers are shown with their pictures";
}

// With six tokens the twin is cut off in its thinking, which is closed for it; without that it has no answer.
TEST_F(EvalTwin, ThinkingThatReachesTheLimitIsClosedByForce) {
  const std::string ask = "eval --tasks twin_thinking --ids objects-000-count+t -n 2 ";
  ASSERT_EQ(glmv(ask + "-o closed").code, 0);
  const Json closed = lines("closed/responses.jsonl").at(0);
  EXPECT_EQ(closed["forced_completion"], true) << closed;
  EXPECT_NE(closed["text"].get<std::string>().find("</think>"), std::string::npos) << closed;
  ASSERT_EQ(glmv(ask + "--no-forced-close -o left").code, 0);
  const Json left = lines("left/responses.jsonl").at(0);
  EXPECT_EQ(left["finish_reason"], "length");
  EXPECT_EQ(left["text"].get<std::string>().find("</think>"), std::string::npos) << left;
  EXPECT_EQ(results("left")["n-samples"]["twin_thinking"]["still_thinking"], 1);
  EXPECT_EQ(results("left")["results"]["twin_thinking"]["counts,official"]["no_answer"], 1);
  EXPECT_NE(read(path("left/report.html")).find("looked at: <b><span class=dim>(nothing)"), std::string::npos);
  EXPECT_NE(closed["key"], left["key"]) << "the setting is part of what was asked";
}

TEST_F(EvalTwin, RepeatsOfGreedyAnswersAgree) {
  ASSERT_EQ(glmv("eval --tasks twin_choice --limit 2 --repeat 2 -o run").code, 0);
  const Json found = results("run")["results"]["twin_choice"];
  ASSERT_EQ(found["by_repeat,official"].size(), 2u);
  EXPECT_EQ(found["by_repeat,official"][0], found["by_repeat,official"][1]);
  EXPECT_EQ(lines("run/responses.jsonl").size(), 4u);
}

// What another prompt and another limit do is told apart; runs that agree have nothing to explain.
TEST_F(EvalTwin, DifferencesOfTwoRunsAreExplained) {
  ASSERT_EQ(glmv("eval --tasks twin_thinking --limit 6 -o a").code, 0);
  ASSERT_EQ(glmv("eval --tasks twin_thinking --limit 6 -n 3 --no-forced-close -o cut").code, 0);
  const Result same = glmv("compare a a --attribute");
  EXPECT_EQ(same.code, 0) << same.err;
  const Result cut = glmv("compare a cut --attribute --format json");
  EXPECT_EQ(cut.code, 1) << cut.err;
  const Json task = Json::parse(cut.out)["tasks"][0];
  EXPECT_GT(task["differences"].size(), 0u);
  for (const Json& d : task["differences"]) EXPECT_EQ(d["cause"], "truncation") << d;
}

}  // namespace
}  // namespace glmv
