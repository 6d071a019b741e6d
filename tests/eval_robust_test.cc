// What runs of `glmv eval` withstand: a second process, data sets that point elsewhere, servers that repeat the key,
// manifests and golds that cannot be right.
#include "eval/data_folder.h"
#include "eval/secrets.h"
#include "eval/store.h"
#include "eval_fixture.h"

namespace glmv {
namespace {

const std::string kSamples = kSource + "/data/samples", kManifests = kSource + "/data/benchmarks";

class EvalRobust : public EvalCli {
 protected:
  /// data/ID, to be spoiled, and the command that asks it.
  std::string copy_of(const std::string& id) const {
    fs::create_directories(path("data"));
    fs::copy(kSamples + '/' + id, path("data/" + id), fs::copy_options::recursive);
    return concat("eval --tasks ", id, " --data data --replies ", kSamples, '/', id, "/replies.jsonl -o run ");
  }
  void replace(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read(path(file));
    ASSERT_NE(text.find(from), std::string::npos) << from;
    std::ofstream(path(file), std::ios::binary) << text.replace(text.find(from), from.size(), to);
  }
  void spoil_manifest(const std::string& id, const std::function<void(Json&)>& change) const {
    if (!fs::exists(path("m"))) fs::copy(kManifests, path("m"));
    Json manifest = Json::parse(read(kManifests + '/' + id + ".json"));
    change(manifest);
    std::ofstream(path("m/" + id + ".json")) << manifest;
  }
};

// --- one writer

TEST_F(EvalRobust, ASecondProcessIsKeptOut) {
  write_rows(4);
  ASSERT_EQ(glmv(ask_rows()).code, 0);
  const std::string all = read(path("run/responses.jsonl"));
  {
    const eval::FileLock here(path("run/.lock").string(), "run");
    expect_error(ask_rows("--resume"), 2, {"run: another process is writing there"});
    EXPECT_EQ(glmv("score run --resamples 10").code, 0) << "reading is free";
  }
  EXPECT_EQ(read(path("run/responses.jsonl")), all);
  EXPECT_EQ(glmv(ask_rows("--resume")).code, 0);
}

TEST_F(EvalRobust, TwoAtOnceLoseNothing) {
  write_rows(300);
  const Result r = shell("for i in 1 2 3; do $GLMV " + ask_rows("--resume") + " > out.$i 2> err.$i & done; wait");
  ASSERT_EQ(r.code, 0);
  const Result rest = glmv(ask_rows("--resume"));
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(rest.err.find("skipped"), std::string::npos) << rest.err;
  std::map<std::string, int> count;
  for (const Json& line : lines("run/responses.jsonl")) ++count[line["sample"].get<std::string>()];
  EXPECT_EQ(count.size(), 300u);
  for (const auto& [sample, times] : count) EXPECT_EQ(times, 1) << sample;
}

TEST_F(EvalRobust, AlienAndTornLinesAreSkippedByName) {
  write_rows(5);
  ASSERT_EQ(glmv(ask_rows()).code, 0);
  const std::string all = read(path("run/responses.jsonl"));
  const std::string first = all.substr(0, all.find('\n') + 1);
  Json other = Json::parse(first);
  other["text"] = "another answer";
  std::ofstream(path("run/responses.jsonl"), std::ios::binary) << all << "{\"a\": 1}\n" << other.dump() << "\n{\"torn";
  const Result r = glmv("score run --resamples 10");
  EXPECT_EQ(r.code, 0) << r.err;
  for (const char* part : {"responses.jsonl line 6 is skipped: task is missing", "line 7: another answer to ocrbench 0",
                           "line 8 is skipped: it has no end"})
    EXPECT_NE(r.err.find(part), std::string::npos) << part << " is not in: " << r.err;
}

// --- the run's own rules

TEST_F(EvalRobust, ARunIsScoredByItsOwnManifest) {
  write_rows(6);
  spoil_manifest("ocrbench", [](Json& m) {
    m["rule_order"] = Json::array({m["rule_order"][0]});
    const std::string name = m["rule_order"][0];
    m["rules"] = Json{{name, m["rules"][name]}};
    m["rules"][name]["what"] = "of the run";
  });
  ASSERT_EQ(glmv(ask_rows("--manifests m")).code, 0) << glmv(ask_rows("--manifests m")).err;
  const Result own = glmv("score run --resamples 10");
  EXPECT_EQ(own.code, 0) << own.err;
  EXPECT_NE(own.err.find("the installed ones differ for ocrbench"), std::string::npos) << own.err;
  const Result installed = glmv("score run --resamples 10 --installed-manifests");
  EXPECT_EQ(installed.code, 0) << installed.err;
  EXPECT_EQ(installed.err.find("differ"), std::string::npos) << installed.err;
  const std::string kept = read(path("run/manifests/ocrbench.json"));
  std::ofstream(path("run/manifests/ocrbench.json")) << kept.substr(0, 100);
  expect_error("score run", 3, {"run/manifests/ocrbench.json", "damaged"});
  fs::remove(path("run/manifests/ocrbench.json"));
  expect_error("score run", 3, {"run/manifests/ocrbench.json"});
  EXPECT_EQ(glmv("score run --resamples 10 --installed-manifests").code, 0);
}

// --- data sets that point elsewhere

TEST_F(EvalRobust, NothingOutsideOfTheDataFolderIsRead) {
  const std::string ask = copy_of("muirbench");
  fs::copy(kPicture, path("secret.png"));
  for (const std::string& place : {std::string("../../secret.png"), path("secret.png").string()}) {
    fs::copy_file(kSamples + "/muirbench/muirbench.jsonl", path("data/muirbench/muirbench.jsonl"),
                  fs::copy_options::overwrite_existing);
    replace("data/muirbench/muirbench.jsonl", "media/1.png", place);
    expect_error(ask, 3, {"muirbench.jsonl line 1", "image_list", place, "outside of the data folder"});
  }
  fs::copy_file(kSamples + "/muirbench/muirbench.jsonl", path("data/muirbench/muirbench.jsonl"),
                fs::copy_options::overwrite_existing);
  fs::remove(path("data/muirbench/media/1.png"));
  fs::create_symlink(path("secret.png"), path("data/muirbench/media/1.png"));
  expect_error(ask, 3, {"line 1", "media/1.png", "outside of the data folder"});
  fs::remove(path("data/muirbench/media/1.png"));
  std::ofstream(path("data/muirbench/media/1.png")) << "root:x:0:0:";
  expect_error(ask, 3, {"line 1", "media/1.png is not a PNG"});
  std::ofstream(path("data/muirbench/media/1.png"), std::ios::trunc).close();
  expect_error(ask, 3, {"line 1", "media/1.png is empty"});
}

TEST_F(EvalRobust, LinkedFoldersAndTheHubsCacheAreInside) {
  const std::string ask = copy_of("muirbench");
  const fs::path hub = path("hub/datasets--a--b"), real = hub / "snapshots/1";
  fs::create_directories(hub / "blobs");
  fs::create_directories(hub / "snapshots");
  fs::rename(path("data/muirbench"), real);
  fs::rename(real / "media/1.png", hub / "blobs/abc");
  fs::create_symlink("../../../blobs/abc", real / "media/1.png");
  fs::create_directory_symlink(real, path("data/muirbench"));
  const Result linked = glmv(ask + "--resamples 10");
  EXPECT_EQ(linked.code, 0) << linked.err;
  fs::remove_all(path("run"));
  fs::remove(path("data/muirbench"));
  const Result direct = glmv("eval --tasks muirbench --data " + real.string() + " --resamples 10 --replies " +
                             kSamples + "/muirbench/replies.jsonl -o run");
  EXPECT_EQ(direct.code, 0) << direct.err;
}

TEST_F(EvalRobust, ADamagedPictureIsAFailedRequestAndNotSent) {
  const OpenAiServer server(dir_, "echo");
  if (!server.runs()) GTEST_SKIP() << "python3 is missing";
  copy_of("muirbench");
  std::string png = read(path("data/muirbench/media/1.png"));
  for (size_t i = 40; i < png.size(); ++i) png[i] = '\x55';
  std::ofstream(path("data/muirbench/media/1.png"), std::ios::binary) << png;
  const Result r = glmv("eval --tasks muirbench --data data --base-url " + server.url() + " --model-name m -o run");
  EXPECT_EQ(r.code, 4) << r.err;
  std::map<std::string, Json> by_sample;
  for (const Json& line : lines("run/responses.jsonl")) by_sample[line["sample"].get<std::string>()] = line;
  EXPECT_EQ(by_sample["m1"]["status"], "failed");
  EXPECT_NE(by_sample["m1"]["error"].get<std::string>().find("media/1.png"), std::string::npos) << by_sample["m1"];
  EXPECT_EQ(by_sample["m2"]["status"], "ok");
}

// --- keys

TEST_F(EvalRobust, TheKeyIsStoredNowhere) {
  for (const char* mischief : {"echo", "scold"}) {
    fs::remove_all(path("run"));
    fs::remove(path("port"));
    const OpenAiServer server(dir_, mischief);
    if (!server.runs()) GTEST_SKIP() << "python3 is missing";
    std::string url = server.url();
    url.insert(url.find("//") + 2, "user:pass-of-mine@");
    const Result r = shell("OPENAI_API_KEY=secret-of-mine $GLMV eval --tasks twin_choice --base-url '" + url +
                           "?api_key=query-of-mine' --model-name x --tries 1 --retry-wait 0 -o run");
    EXPECT_TRUE(r.code == 4 || r.code == 0) << r.err;
    EXPECT_EQ((r.out + r.err).find("-of-mine"), std::string::npos) << r.out << r.err;
    const Result grep = shell("grep -r -e '-of-mine' run");
    EXPECT_EQ(grep.code, 1) << grep.out;
    EXPECT_NE(read(path("run/responses.jsonl")).find("[secret]"), std::string::npos) << "the server did repeat it";
  }
}

TEST(Secrets, AreFoundInAddresses) {
  EXPECT_EQ(eval::without_credentials("eval --base-url http://u:p@w@host:8/v1?key=abc&b --model-name m"),
            "eval --base-url http://***@host:8/v1?key=***&*** --model-name m");
  EXPECT_EQ(eval::without_credentials("http://host/v1 and a@b?c"), "http://host/v1 and a@b?c");
  const eval::Secrets s("https://user:password1@h/", {"Authorization: Bearer sk-123456"});
  EXPECT_EQ(s.hide("Bearer sk-123456, password1, sk-12345"), "Bearer [secret], [secret], sk-12345");
  EXPECT_EQ(eval::Secrets("", {"Authorization: Bearer A"}).hide("The answer is A"), "The answer is A");
}

// --- golds and manifests

TEST_F(EvalRobust, AGoldAnswerIsOneOfTheOptions) {
  const std::string ask = copy_of("ai2d");
  const auto spoil = [&](const std::string& from, const std::string& to) {
    fs::copy_file(kSamples + "/ai2d/ai2d.jsonl", path("data/ai2d/ai2d.jsonl"), fs::copy_options::overwrite_existing);
    replace("data/ai2d/ai2d.jsonl", from, to);
  };
  spoil(R"(["root", "leaf", "stem", "seed"], "answer": "1")", R"(["root"], "answer": "3")");
  expect_error(ask, 3, {"ai2d.jsonl line 1", "answer is \"D\"", "options A"});
  spoil(R"("answer": "1")", R"("answer": 1.5)");
  expect_error(ask, 3, {"line 1: answer is 1.5"});
  spoil(R"(["root", "leaf", "stem", "seed"])", "[]");
  expect_error(ask, 3, {"line 1: options: no options"});
  spoil(R"(["root", "leaf", "stem", "seed"])", R"({"A": "root"})");
  expect_error(ask, 3, {"line 1: options is", "a list of options"});
}

TEST_F(EvalRobust, ATablesGoldIsOneOfItsLetters) {
  const std::string ask = copy_of("mmstar") + "--any-hash ";
  replace("data/mmstar/MMStar.tsv", "\tred\tgreen\tblue\tblack\tA", "\tred\tgreen\tblue\tblack\tE");
  expect_error(ask, 3, {"MMStar.tsv row 1", "answer is \"E\"", "A, B, C, D"});
  replace("data/mmstar/MMStar.tsv", "\tred\tgreen\tblue\tblack\tE", "\tred\tgreen\tblue\tblack\ta");
  expect_error(ask, 3, {"answer is \"a\""});
}

TEST_F(EvalRobust, MisspeltNamesInAManifestCostNoRequest) {
  const auto expect = [&](const std::function<void(Json&)>& change, const std::vector<std::string>& parts) {
    spoil_manifest("ocrbench", change);
    expect_error("eval --list --manifests m", 3, parts);
  };
  const std::string rule = Json::parse(read(kManifests + "/ocrbench.json"))["rule_order"][0];
  expect([&](Json& m) { m["rules"][rule]["steps"][0]["input"]["prediction"] = "$nothere"; },
         {"m/ocrbench.json: rule " + rule + " step 0: $nothere"});
  expect(
      [](Json& m) {
        const std::string frame = m["prompt_order"][0];
        m["prompts"][frame]["parts"].push_back("{nothere}");
      },
      {"m/ocrbench.json: prompt ", "{nothere}"});
  expect([](Json& m) { m["generation"]["max_new_tokens"] = -5; }, {"m/ocrbench.json", "max_new_tokens is -5"});
  // What only a sample shows: an algorithm's field is missing.
  write_rows(3);
  spoil_manifest("ocrbench", [&](Json& m) { m["rules"][rule]["steps"][0]["input"].erase("prediction"); });
  expect_error(ask_rows("--manifests m"), 3,
               {"m/ocrbench.json: rule " + rule + ", sample 0: ", "prediction is missing"});
  EXPECT_FALSE(fs::exists(path("run/responses.jsonl"))) << "nothing was asked";
}

TEST_F(EvalRobust, WhatIsOursInARequestCannotBeReplaced) {
  expect_error(
      "eval --tasks twin_choice --base-url http://127.0.0.1:9/v1 --model-name x --dry-run --extra-body "
      "'{\"messages\": []}'",
      2, {"--extra-body", "messages"});
}

// --- judges

TEST_F(EvalRobust, AJudgeThatFailsIsTold) {
  const OpenAiServer server(dir_, "scold");
  if (!server.runs()) GTEST_SKIP() << "python3 is missing";
  const std::string ask = "eval --tasks chartmuseum --data " + kSamples + " --replies " + kSamples +
                          "/chartmuseum/replies.jsonl -o run --resamples 10 --tries 1 --timeout 5 ";
  const Result r = glmv(ask + "--judge-model j --judge-base-url " + server.url());
  EXPECT_EQ(r.code, 4) << r.err;
  EXPECT_NE(r.err.find("judge j: 4 of 4 calls failed; the first: HTTP 400"), std::string::npos) << r.err;
}

// --- single rules on what cannot be

TEST_F(EvalRobust, RulesRefuseWhatCannotBe) {
  const auto refused = [&](const std::string& id, const std::string& input, const std::string& part) {
    std::ofstream(path("c.json")) << "[" << input << "]";
    expect_error("score --algorithm " + id + " --cases c.json", 3, {"c.json: case 0", part});
  };
  refused("mmbench_circular", R"({"group": []})", "group");
  refused("dynamath_aggregate", R"({"per_question": {"a": []}})", "per_question.a");
  refused("androidworld_success_rate", R"({"episodes": [{"done": true, "success": 5}]})", "success is 5");
  refused("osworld_mean_score", R"({"task_scores": [-1, 2]})", "-1");
  refused("motionbench_accuracy",
          R"({"qa": [{"uid": 1, "answer": "A"}, {"uid": 1, "answer": "B"}], "model_answers": {}})", "twice");
  refused("geobench_distance", R"({"a": [1e308, 0], "b": [0, 0]})", "latitude");
}

}  // namespace
}  // namespace glmv
