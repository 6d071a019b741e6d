// Every benchmark, end to end on toy rows in the layouts the data sets have, with a scripted model: the scores are the
// ones that were worked out by hand and are written beside the rows.
#include "cli_fixture.h"
#include "eval/manifest.h"

namespace glmv {
namespace {

const std::string kManifests = kSource + "/data/benchmarks", kSamples = kSource + "/data/samples";

class EvalSamples : public Cli {
 protected:
  Json results(const std::string& run) const {
    for (const fs::directory_entry& entry : fs::directory_iterator(path(run))) {
      if (entry.path().string().ends_with("_results.json")) return Json::parse(read(entry.path()));
    }
    return {};
  }
  Result run(const std::string& id, const std::string& folder, const std::string& more = "") const {
    const std::string rows = kSamples + '/' + id, judge = rows + "/judge.jsonl";
    return glmv(concat("eval --tasks ", id, " --data ", kSamples, " --any-hash --replies ", rows, "/replies.jsonl",
                       fs::exists(judge) ? " --judge-replies " + judge : "", " --resamples 20 -o ", folder, ' ', more));
  }
};

/// The rows of the report; the twin's own benchmarks have no toy rows.
std::vector<eval::Manifest> the_42() {
  std::vector<eval::Manifest> out;
  for (eval::Manifest& m : eval::read_manifests(kManifests)) {
    if (m.category != "Tiny twin") out.push_back(std::move(m));
  }
  return out;
}

bool browser_is_there() { return std::system("command -v chromium >/dev/null 2>&1") == 0; }

TEST_F(EvalSamples, ScoresAreThoseWorkedOutByHand) {
  const auto all = the_42();
  EXPECT_EQ(all.size(), 42u);
  int64_t compared = 0, without_browser = 0;
  for (const eval::Manifest& m : all) {
    const Result r = run(m.id, m.id);
    const Json expected = Json::parse(read(kSamples + '/' + m.id + "/expected.json"))["scores"];
    EXPECT_TRUE(r.code == 0 || r.code == 4) << m.id << ": " << r.err;
    const Json found = results(m.id);
    ASSERT_FALSE(found.is_null()) << m.id << ": " << r.err;
    EXPECT_EQ(expected.size(), m.rules.size()) << m.id << ": a rule without an expectation";
    for (const auto& [rule, score] : expected.items()) {
      const Json& got = found["results"][m.id]["score," + rule];
      if (found["results"][m.id]["counts," + rule]["needs_browser"] != 0 && !browser_is_there()) {
        ++without_browser;
        continue;
      }
      ASSERT_TRUE(got.is_number()) << m.id << ' ' << rule << ": " << found["results"][m.id];
      EXPECT_NEAR(got.get<double>(), score.get<double>(), 1e-9) << m.id << ' ' << rule;
      ++compared;
    }
  }
  EXPECT_GT(compared, 42);
  std::cout << compared << " scores of " << all.size() << " benchmarks compared, " << without_browser
            << " not, for want of a browser\n";
}

TEST_F(EvalSamples, WithoutItsJudgeABenchmarkHasNoNumber) {
  const std::string rows = kSamples + "/chartmuseum";
  const Result r = glmv("eval --tasks chartmuseum --data " + kSamples + " --replies " + rows + "/replies.jsonl -o run");
  EXPECT_EQ(r.code, 4) << r.err;
  const Json found = results("run")["results"]["chartmuseum"];
  EXPECT_TRUE(found["score,official"].is_null());
  EXPECT_EQ(found["counts,official"]["needs_judge"], 2);
  EXPECT_NEAR(found["score,strict"].get<double>(), 50, 1e-9) << "rules that need no judge have their number";
  EXPECT_NE(r.out.find("needs a judge: 2"), std::string::npos) << r.out;
}

// Prompts that show pictures read alike for every sample: without pictures their replies must not be taken for each
// other.
TEST_F(EvalSamples, WithoutABrowserPagesAreNotLaidOut) {
  const std::string rows = kSamples + "/design2code";
  const Result r = shell("GLMV_BROWSER= $GLMV eval --tasks design2code --data " + kSamples + " --any-hash --replies " +
                         rows + "/replies.jsonl --judge-replies " + rows + "/judge.jsonl -o run");
  EXPECT_EQ(r.code, 0) << r.err;
  const Json found = results("run")["results"]["design2code"];
  EXPECT_NEAR(found["score,official"].get<double>(), 50, 1e-9);
  EXPECT_TRUE(found["score,original"].is_null());
  EXPECT_EQ(found["counts,original"]["needs_browser"], 3);
}

TEST_F(EvalSamples, JudgeRepliesAreKeptAndUsedAgain) {
  ASSERT_EQ(run("hallusionbench", "run").code, 0);
  const std::string kept = read(path("run/judge.jsonl"));
  EXPECT_NE(kept.find("\"reply\":\"perhaps\""), std::string::npos) << "replies that are no use are kept, too";
  EXPECT_EQ(glmv("score run --judge-replies run/judge.jsonl").code, 0);
  EXPECT_EQ(read(path("run/judge.jsonl")), kept);
}

TEST_F(EvalSamples, AJudgeThatRepliesNonsenseIsCounted) {
  std::string lines;
  for (int attempt = 0; attempt < 3; ++attempt)
    lines += Json({{"judge", "x"},
                   {"task", "logicvista"},
                   {"sample", "1"},
                   {"judge_prompt", "logicvista_extract"},
                   {"attempt", attempt},
                   {"reply", "well, hm"}})
                 .dump() +
             '\n';
  for (const char* id : {"2", "3"})
    lines += Json({{"judge", "x"},
                   {"task", "logicvista"},
                   {"sample", id},
                   {"judge_prompt", "logicvista_extract"},
                   {"reply", "A"}})
                 .dump() +
             '\n';
  std::ofstream(path("judge.jsonl")) << lines;
  const Result r = glmv("eval --tasks logicvista --data " + kSamples + " --any-hash --replies " + kSamples +
                        "/logicvista/replies.jsonl --judge-replies judge.jsonl -o run");
  EXPECT_EQ(r.code, 0) << r.err;
  const Json counts = results("run")["results"]["logicvista"]["counts,official"];
  EXPECT_EQ(counts["judge_nonsense"], 1);
  EXPECT_EQ(counts["no_answer"], 1);
}

TEST_F(EvalSamples, ThePlanNamesRequestsAndPromptsAndAsksNobody) {
  const Result r = glmv("eval --tasks mmstar --data " + kSamples + " --any-hash --repeat 3 --dry-run --replies " +
                        kSamples + "/mmstar/replies.jsonl");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("12 requests"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("    <image>Question: Colour?\n    Options:\n    A. red\n    B. green\n"), std::string::npos)
      << r.out;
}

TEST_F(EvalSamples, ProtocolCardsSayWhatDecidesTheScore) {
  const Result r = glmv("eval --explain mathvista");
  EXPECT_EQ(r.code, 0) << r.err;
  for (const char* part :
       {"testmini", "84.6", "mathvista_normalize_equal", "cc-by-sa-4.0", "8192 new tokens", "Open questions"})
    EXPECT_NE(r.out.find(part), std::string::npos) << part;
  EXPECT_NE(glmv("eval --explain twin_choice").out.find("first_letter  Video-MME"), std::string::npos)
      << "columns do not collide";
}

// Cards are read on their own: nothing in them refers to what only their authors had before them.
TEST_F(EvalSamples, ProtocolCardsHaveNoWorkingNotes) {
  for (const eval::Manifest& m : eval::read_manifests(kManifests)) {
    const std::string card = eval::protocol_card(m);
    for (const char* note :
         {"as above", "As above", "(v)", "(g)", "(s)", ", v\n", ", g\n", ", s\n", "see A.", "unverified", "as English"})
      EXPECT_EQ(card.find(note), std::string::npos) << m.id << ": " << note;
  }
}

// --- what is wrong is said once, and nothing is guessed

TEST_F(EvalSamples, WrongDataIsOneClearError) {
  fs::create_directories(path("data"));
  fs::copy(kSamples + "/mmstar", path("data/mmstar"), fs::copy_options::recursive);
  const std::string ask = "eval --tasks mmstar --data data --replies " + kSamples + "/mmstar/replies.jsonl -o run";
  expect_error(ask, 3, {"MMStar.tsv", "md5 is", "e1ecd2140806c1b1bbf54b43372efb9e", "--any-hash"});
  const auto spoil = [&](const std::string& from, const std::string& to) {
    std::string text = read(kSamples + "/mmstar/MMStar.tsv");
    ASSERT_NE(text.find(from), std::string::npos);
    std::ofstream(path("data/mmstar/MMStar.tsv")) << text.replace(text.find(from), from.size(), to);
  };
  spoil("\tred\tgreen\tblue\tblack\tA", "\tred\tgreen\tblue\tblack");
  expect_error(ask + " --any-hash", 3, {"MMStar.tsv line 2", "9 cells", "header has 10"});
  spoil("Colour?", "\"Colour?");
  expect_error(ask + " --any-hash", 3, {"quoted cell"});
  spoil("1\t0\tColour", "1\t77\tColour");
  expect_error(ask + " --any-hash", 3, {"row 2", "\"77\"", "no picture"});
  spoil("l2-category", "l2");
  expect_error(ask + " --any-hash", 3, {"l2-category is missing"});
  fs::remove(path("data/mmstar/MMStar.tsv"));
  expect_error(ask, 3, {"no data of mmstar", "MMStar.tsv", "to get it"});
}

TEST_F(EvalSamples, AMissingPictureIsNamed) {
  fs::create_directories(path("data"));
  fs::copy(kSamples + "/muirbench", path("data/muirbench"), fs::copy_options::recursive);
  fs::remove(path("data/muirbench/media/2.png"));
  expect_error("eval --tasks muirbench --data data --replies " + kSamples + "/muirbench/replies.jsonl -o run", 3,
               {"muirbench.jsonl line 1", "media/2.png", "no such picture"});
}

TEST_F(EvalSamples, ManifestsAreReadStrictly) {
  fs::copy(kManifests, path("m"));
  const auto spoil = [&](const std::function<void(Json&)>& change) {
    Json manifest = Json::parse(read(kManifests + "/ocrbench.json"));
    change(manifest);
    std::ofstream(path("m/ocrbench.json")) << manifest;
  };
  spoil([](Json& m) { m["temperture"] = 0; });
  expect_error("eval --list --manifests m", 3, {"ocrbench.json", "temperture"});
  spoil([](Json& m) { m["rules"]["official"]["steps"][0]["inputs"] = 1; });
  expect_error("eval --list --manifests m", 3, {"rule official step 0", "inputs"});
  spoil([](Json& m) { m["rules"]["official"]["steps"][0]["algorithm"] = "ocrbench_guess"; });
  expect_error("eval --list --manifests m", 3, {"ocrbench_guess", "not a scoring algorithm"});
  spoil([](Json& m) { m["layouts"][0]["fields"]["licence"] = "licence"; });
  expect_error("eval --list --manifests m", 3, {"licence", "used by no prompt"});
  spoil([](Json& m) { m["rules"]["official"]["aggregate"] = {{"how", "average"}}; });
  expect_error("eval --list --manifests m", 3, {"aggregate"});
}

TEST_F(EvalSamples, TheSameFolderIsNotBegunTwice) {
  ASSERT_EQ(run("mmstar", "run").code, 0);
  const Result again = run("mmstar", "run");
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("--resume"), std::string::npos) << again.err;
  const Result other = run("mmstar", "run", "--resume --limit 2");
  EXPECT_EQ(other.code, 2) << "other settings: " << other.err;
  EXPECT_NE(other.err.find("mmstar, samples: 4, now 2"), std::string::npos) << other.err;
  const Result ids = run("mmstar", "run", "--resume --ids 0,1,2,3");
  EXPECT_EQ(ids.code, 0) << "the same samples by name: " << ids.err;
  const Result resumed = run("mmstar", "run", "--resume");
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("0 asked, 4 already there"), std::string::npos) << resumed.err;
}

// A run that is gone on with keeps the command that began it.
TEST_F(EvalSamples, ARunSaysHowItCameAbout) {
  ASSERT_EQ(run("mmstar", "run", "--seed 7").code, 0);
  ASSERT_EQ(run("mmstar", "run", "--resume -q --seed 7").code, 0);
  const Json record = Json::parse(read(path("run/run.json")));
  EXPECT_NE(record["command"].get<std::string>().find("--seed 7"), std::string::npos) << record["command"];
  EXPECT_EQ(record["further"].size(), 1u);
  EXPECT_NE(record["further"][0]["command"].get<std::string>().find("--resume -q"), std::string::npos);
  EXPECT_FALSE(record["commit"].get<std::string>().empty());
  EXPECT_EQ(record["any_hash"], true);
  EXPECT_EQ(results("run")["git_hash"], record["commit"]);
  for (const char* report : {"run/report.md", "run/report.html"}) {
    const std::string text = read(path(report));
    for (const std::string part : {"--seed 7", "commit ", "bootstrap seed 7", "4 of 1,500 samples",
                                   "sha256 d039f9ed2863", "NOT the manifest", "thinking on", "8192 new tokens"})
      EXPECT_NE(text.find(part), std::string::npos) << report << ": " << part;
  }
}

// Toy rows are no part of the set whose score was published: the numbers stand side by side, but no gap is formed.
TEST_F(EvalSamples, OtherDataHaveNoGapToAPublishedValue) {
  const Result any = run("mmstar", "run");
  EXPECT_NE(any.out.find("none: not the manifest's data"), std::string::npos) << any.out;
  const Json published = results("run")["results"]["mmstar"]["published"];
  EXPECT_EQ(published["value"], 75.3);
  EXPECT_FALSE(published.contains("gap"));
  EXPECT_FALSE(published.contains("inside_ci95"));
  EXPECT_EQ(read(path("run/report.html")).find("class=\"n in\""), std::string::npos) << "nothing is green";
  const Result few = run("mmvu", "few");  // no hash is known: the number of samples decides
  EXPECT_NE(few.out.find(" of 1,000 samples |"), std::string::npos) << few.out;
}

TEST_F(EvalSamples, RepliesThatNobodyAskedForAreAnError) {
  const std::string replies = read(kSamples + "/mmstar/replies.jsonl");
  std::ofstream(path("more.jsonl")) << replies << R"({"sample": "nosuch", "text": "A"})";
  const std::string ask = "eval --tasks mmstar --data " + kSamples + " --any-hash --replies ";
  expect_error(ask + "more.jsonl -o run", 3, {"more.jsonl", "1 of its ids are no samples of mmstar", "\"nosuch\""});
  std::ofstream(path("other.jsonl")) << replies << R"({"task": "ocrbench", "sample": "nosuch", "text": "A"})";
  EXPECT_EQ(glmv(ask + "other.jsonl --judge none -o run").code, 0) << "a reply to a task that is not asked about";
}

TEST_F(EvalSamples, AnswersOfARunAreRepliesOfAnother) {
  ASSERT_EQ(run("mmstar", "first").code, 0);
  ASSERT_EQ(
      glmv("eval --tasks mmstar --data " + kSamples + " --any-hash --replies first/responses.jsonl --judge-replies " +
           kSamples + "/mmstar/judge.jsonl --resamples 20 -o second")
          .code,
      0);
  EXPECT_EQ(results("first")["results"], results("second")["results"]);
  for (const fs::directory_entry& entry : fs::directory_iterator(path("first"))) {
    if (entry.path().string().find("_samples_") == std::string::npos) continue;
    const Result r = glmv("score --import lmms-eval --json " + entry.path().string());
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(Json::parse(r.out)["stored"]["same_verdicts"], 4) << r.out;
  }
}

TEST_F(EvalSamples, EveryPictureOfASampleIsShown) {
  fs::create_directories(path("data"));
  fs::copy(kSamples + "/muirbench", path("data/muirbench"), fs::copy_options::recursive);
  std::string wrong;
  for (const char* id : {"m1", "m2"}) wrong += Json({{"sample", id}, {"text", "no idea"}}).dump() + '\n';
  std::ofstream(path("wrong.jsonl")) << wrong;
  ASSERT_EQ(glmv("eval --tasks muirbench --data data --replies wrong.jsonl --judge none -o run").code, 0);
  const std::string page = read(path("run/report.html"));
  EXPECT_NE(page.find("picture 2"), std::string::npos) << "the second one, too";
}

TEST_F(EvalSamples, QuietSaysNothingButFailures) { EXPECT_EQ(run("mmstar", "run", "-q").err, ""); }

TEST_F(EvalSamples, ShardsLieInOneFolderAndScoreAsOne) {
  for (const char* shard : {"3/3", "1/3", "2/3"})
    EXPECT_EQ(run("mmstar", "shards", concat("--shard ", shard)).code, 0) << shard;
  ASSERT_EQ(run("mmstar", "whole").code, 0);
  ASSERT_EQ(glmv("score shards --resamples 20 --judge-replies " + kSamples + "/mmstar/judge.jsonl").code, 0);
  EXPECT_EQ(results("shards")["results"], results("whole")["results"]);
}

TEST_F(EvalSamples, MissingRepliesAreFailedRequestsThatLeaveTheMean) {
  const std::string replies = read(kSamples + "/mmstar/replies.jsonl");
  std::ofstream(path("some.jsonl")) << replies.substr(0, replies.find('\n') + 1);
  const Result r = glmv("eval --tasks mmstar --data " + kSamples + " --any-hash --replies some.jsonl -o run");
  EXPECT_EQ(r.code, 4) << r.err;
  const Json found = results("run");
  EXPECT_EQ(found["n-samples"]["mmstar"]["failed"], 3);
  EXPECT_EQ(found["n-samples"]["mmstar"]["reportable"], false);
  EXPECT_NE(r.err.find("failed: 3 x no reply to it"), std::string::npos) << r.err;
  EXPECT_NE(read(path("run/report.html")).find("3 x no reply to it"), std::string::npos);
  EXPECT_NEAR(found["results"]["mmstar"]["score,official"].get<double>(), 100, 1e-9);
}

}  // namespace
}  // namespace glmv
