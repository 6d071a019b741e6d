// Judges: another model's opinion, from an endpoint or from a file of recorded replies. Every reply is kept.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "eval/endpoint.h"
#include "eval/steps.h"

namespace glmv::eval {

/// What a judge is asked about.
struct JudgeCase {
  std::string task, sample, rule;
  std::vector<std::string> pictures;  ///< bytes; for prompts that show pictures
};

class Judge {
 public:
  /// No judge at all.
  Judge() = default;
  /// Replies from a file of JSON lines like the judge.jsonl of a run: "reply", with "prompt_sha256" or with "task",
  /// "sample", "judge_prompt" (and "rule", if it is for one rule only), and "attempt" (0). `judge` names it. Error
  /// (exit code 3) for a malformed file.
  static Judge recorded(const std::string& path);
  static Judge endpoint(const EndpointOptions& options);

  bool exists() const { return endpoint_ || !recorded_.empty(); }
  const std::string& name() const { return name_; }
  int concurrency() const { return endpoint_ ? endpoint_->concurrency : 1; }
  /// Where replies are kept and looked for first: RUN_DIR/judge.jsonl.
  void keep_in(const std::string& path);

  /// Nothing if the judge cannot tell; a failure if it is an endpoint. Safe to call from several threads.
  std::optional<std::string> ask(const JudgeCase& what, const JudgePrompt& prompt, const std::string& text,
                                 int attempt);
  int64_t asked() const { return asked_; }
  int64_t failures() const { return failures_; }
  const std::string& first_failure() const { return first_failure_; }

 private:
  struct Kept {
    std::map<std::string, std::string> replies;  ///< judge, prompt hash and attempt -> reply
    std::optional<JsonLines> lines;
    std::mutex mutex;
  };

  std::string name_ = "none";
  std::shared_ptr<EndpointOptions> endpoint_;
  std::map<std::string, std::string> recorded_;
  std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
  int64_t asked_ = 0, failures_ = 0;
  std::string first_failure_;
};

}  // namespace glmv::eval
