// Answers of a run survive what happens to runs: kill -9, a full disk, a torn last line.
#include "eval/store.h"

#include <sys/mount.h>

#include <random>

#include "eval_fixture.h"

namespace glmv {
namespace {

class EvalStore : public EvalCli {
 protected:
  /// sample -> how many complete lines it has.
  std::map<std::string, int> counted() const {
    std::map<std::string, int> out;
    if (fs::exists(path("run/responses.jsonl"))) {
      for (const Json& line : lines("run/responses.jsonl")) ++out[line["sample"].get<std::string>()];
    }
    return out;
  }
  int64_t bytes() const {
    return fs::exists(path("run/responses.jsonl")) ? static_cast<int64_t>(fs::file_size(path("run/responses.jsonl")))
                                                   : 0;
  }
  static void wait(int64_t microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

  /// Starts the program, lets it run for a random time, most often until it has begun to answer, and kills it. True if
  /// it was still running.
  bool kill_at_random(std::mt19937_64& random) const {
    std::vector<std::string> words = {
        "sh", "-c",
        "cd " + dir_.string() + " && exec " GLMV_BINARY_DIR "/glmv " + ask_rows("--resume") + " >out 2>err"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int64_t before = bytes();
    pid_t pid = 0;
    EXPECT_EQ(::posix_spawnp(&pid, "sh", nullptr, nullptr, argv.data(), environ), 0);
    if (random() % 8 != 0) {
      for (int i = 0; i < 4000 && bytes() <= before; ++i) wait(500);
    }
    wait(static_cast<int64_t>(random() % 20000));
    ::kill(pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
  }
};

TEST_F(EvalStore, FiftyKillsLoseNothingAndAskNothingTwice) {
  constexpr int kRows = 3000;
  write_rows(kRows);
  std::mt19937_64 random(7);
  int killed = 0, with_part = 0;
  std::map<std::string, int> before;
  for (int i = 0; i < 50; ++i) {
    killed += kill_at_random(random);
    const std::map<std::string, int> now = counted();
    for (const auto& [sample, count] : before)
      ASSERT_EQ(now.count(sample), 1u) << sample << " is lost after kill " << i;
    for (const auto& [sample, count] : now) ASSERT_EQ(count, 1) << sample << " is there twice after kill " << i;
    with_part += !now.empty() && now.size() < kRows;
    before = now;
  }
  EXPECT_GT(killed, 10) << "the kills came too late to mean anything";
  EXPECT_GT(with_part, 10) << "the kills came too early to mean anything";
  const Result r = glmv(ask_rows("--resume"));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(counted().size(), static_cast<size_t>(kRows));
  EXPECT_NEAR(results("run")["results"]["ocrbench"]["score,official"].get<double>(), 100.0 * 2000 / kRows, 1e-9);
  std::cout << killed << " of 50 runs were killed, " << with_part << " times with a part of the answers there\n";
}

TEST_F(EvalStore, ATornLastLineIsCutOffAndAskedAgain) {
  write_rows(5);
  ASSERT_EQ(glmv(ask_rows()).code, 0);
  const std::string all = read(path("run/responses.jsonl"));
  std::ofstream(path("run/responses.jsonl"), std::ios::binary) << all.substr(0, all.size() - 20);
  const Result r = glmv(ask_rows("--resume"));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.err.find("1 asked, 4 already there"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("torn last line"), std::string::npos) << r.err;
  EXPECT_EQ(read(path("run/responses.jsonl")), all);
}

TEST_F(EvalStore, ADamagedLineInTheMiddleIsNamedAndAskedAgain) {
  write_rows(3);
  ASSERT_EQ(glmv(ask_rows()).code, 0);
  std::string all = read(path("run/responses.jsonl"));
  all[all.find('\n') + 1] = '#';
  std::ofstream(path("run/responses.jsonl"), std::ios::binary) << all;
  const Result r = glmv(ask_rows("--resume"));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.err.find("responses.jsonl line 2 is skipped: not valid JSON"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("1 asked, 2 already there"), std::string::npos) << r.err;
}

TEST_F(EvalStore, AFileThatMayNotGrowEndsTheRunAndResumeFinishesIt) {
  constexpr int kRows = 120;
  write_rows(kRows);
  const Result full =
      shell("ulimit -f 70; $GLMV " + ask_rows());  // blocks of 512 bytes: the samples fit, the answers do not
  EXPECT_EQ(full.code, 3) << full.err;
  EXPECT_NE(full.err.find("responses.jsonl: cannot be written"), std::string::npos) << full.err;
  const size_t there = counted().size();
  EXPECT_GT(there, 0u);
  EXPECT_LT(there, static_cast<size_t>(kRows));
  const Result rest = glmv(ask_rows("--resume"));
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(counted().size(), static_cast<size_t>(kRows));
  EXPECT_NE(rest.err.find(concat(kRows - there, " asked, ", there, " already there")), std::string::npos) << rest.err;
}

TEST_F(EvalStore, AFullDiskEndsTheRunAndResumeFinishesIt) {
  constexpr int kRows = 400;
  write_rows(kRows);
  fs::create_directories(path("run"));
  if (::mount("tmpfs", path("run").c_str(), "tmpfs", 0, "size=120k") != 0)
    GTEST_SKIP() << "no file system can be mounted here";
  const Result full = glmv(ask_rows());
  const std::map<std::string, int> there = counted();
  const int remounted = ::mount("tmpfs", path("run").c_str(), "tmpfs", MS_REMOUNT, "size=4m");
  const Result rest = glmv(ask_rows("--resume"));
  const size_t after = counted().size();
  ::umount(path("run").c_str());
  EXPECT_EQ(full.code, 3) << full.err;
  EXPECT_NE(full.err.find("No space left"), std::string::npos) << full.err;
  EXPECT_GT(there.size(), 0u);
  EXPECT_LT(there.size(), static_cast<size_t>(kRows));
  ASSERT_EQ(remounted, 0);
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(after, static_cast<size_t>(kRows));
}

TEST_F(EvalStore, AFailureNeverTakesAnAnswersPlace) {
  fs::create_directories(path("run"));
  eval::Response ok, failed;
  ok.task = failed.task = "t";
  ok.sample = failed.sample = "s";
  ok.key = failed.key = "k";
  ok.text = "answer";
  failed.status = "failed";
  {
    eval::ResponseStore store(path("run").string(), "");
    store.add(ok);
    store.add(failed);
  }
  const auto all = eval::ResponseStore::read(path("run").string()).all;
  EXPECT_EQ(all.at(eval::ResponseStore::name_of("t", "s", 0)).text, "answer");
}

TEST_F(EvalStore, AnAnswerToOtherInputIsNotTaken) {
  fs::create_directories(path("run"));
  eval::ResponseStore store(path("run").string(), "");
  eval::Response r;
  r.task = "t";
  r.sample = "s";
  r.key = "of the old prompt";
  store.add(r);
  EXPECT_EQ(store.find("t", "s", 0, "of the new prompt"), nullptr);
  EXPECT_EQ(store.stale(), 1);
  EXPECT_NE(store.find("t", "s", 0, "of the old prompt"), nullptr);
  EXPECT_EQ(store.find("t", "s", 1, "of the old prompt"), nullptr) << "another repeat is another question";
}

}  // namespace
}  // namespace glmv
