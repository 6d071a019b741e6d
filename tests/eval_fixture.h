// What tests of `glmv eval` share: a run's results, generated rows, a server that speaks the OpenAI protocol.
#pragma once

#include <signal.h>
#include <spawn.h>

#include <chrono>
#include <map>
#include <thread>

#include "cli_fixture.h"

extern char** environ;

namespace glmv {

class EvalCli : public Cli {
 protected:
  Json results(const std::string& run) const {
    for (const fs::directory_entry& entry : fs::directory_iterator(path(run))) {
      if (entry.path().string().ends_with("_results.json")) return Json::parse(read(entry.path()));
    }
    return {};
  }
  /// The complete lines of a file.
  std::vector<Json> lines(const std::string& file) const {
    std::vector<Json> out;
    std::istringstream in(read(path(file)));
    for (std::string line; std::getline(in, line) && !in.eof();) out.push_back(Json::parse(line));
    return out;
  }
  /// rows/ocrbench/OCRBench.tsv of `count` rows and replies.jsonl, every third of them wrong.
  void write_rows(int count) const {
    fs::create_directories(path("rows/ocrbench"));
    std::ofstream tsv(path("rows/ocrbench/OCRBench.tsv")), replies(path("replies.jsonl"));
    std::ifstream toy(kSource + "/data/samples/ocrbench/OCRBench.tsv");
    std::string header, first, picture;
    std::getline(toy, header);
    std::getline(toy, first);
    picture = first.substr(first.find('\t') + 1);
    picture = picture.substr(0, picture.find('\t'));
    tsv << header << '\n';
    for (int i = 0; i < count; ++i) {
      tsv << i << '\t' << (i == 0 ? picture : "0") << "\tWhat is written?\t['word" << i << "']\tRegular\n";
      replies << Json({{"sample", std::to_string(i)},
                       {"text", i % 3 == 0 ? "something else" : "it says word" + std::to_string(i)}})
                     .dump()
              << '\n';
    }
  }
  std::string ask_rows(const std::string& more = "") const {
    return "eval --tasks ocrbench --data rows --any-hash --replies replies.jsonl -o run --resamples 10 " + more;
  }
};

/// tests/openai_server.py on a free port, ended with the object.
class OpenAiServer {
 public:
  OpenAiServer(const fs::path& folder, const std::string& mischief) {
    const std::string port_file = (folder / "port").string(), script = kSource + "/tests/openai_server.py",
                      heldout = kTwin + "/heldout/heldout.json";
    std::vector<std::string> words = {"python3", script, port_file, heldout, mischief};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (::posix_spawnp(&pid_, "python3", nullptr, nullptr, argv.data(), environ) != 0) pid_ = 0;
    for (int i = 0; i < 500 && pid_ != 0 && port_.empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (fs::exists(port_file)) port_ = read(port_file);
    }
  }
  ~OpenAiServer() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  OpenAiServer(const OpenAiServer&) = delete;
  OpenAiServer& operator=(const OpenAiServer&) = delete;
  bool runs() const { return !port_.empty(); }
  std::string url() const { return "http://127.0.0.1:" + port_ + "/v1"; }

 private:
  pid_t pid_ = 0;
  std::string port_;
};

}  // namespace glmv
