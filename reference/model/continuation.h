// One answer as it grows: which token comes next, and whether it was the last.
#pragma once

#include <optional>

#include "data/stop_strings.h"
#include "reference/model/generate.h"
#include "reference/model/sampler.h"

namespace glmv {

/// Counts the tokens of an open <think>, and says what to put there when they are too many.
class ThinkingBudget {
 public:
  /// The prompt's last turn may have opened the block already.
  ThinkingBudget(const ThinkTokens& tokens, std::optional<int64_t> most, const std::vector<int64_t>& prompt_ids);
  /// The token that must come next, if any.
  std::optional<int64_t> forced() const;
  void took(int64_t id);

 private:
  ThinkTokens tokens_;
  std::optional<int64_t> most_;
  bool open_ = false;
  int64_t used_ = 0;
  size_t ending_ = 0;  ///< tokens of tokens_.end that were forced so far
};

class Continuation {
 public:
  Continuation(const Prompt& prompt, const ModelConfig& config, const GenerationSettings& settings,
               const GenerateOptions& options);

  /// Does take() need the logits?
  bool wants_logits() const;
  /// Takes the next token: the one that is forced, or drawn, or `greedy`, which the device chose. `logits`: f64 [V] on
  /// the host, where they are wanted. Returns the token.
  int64_t take(int64_t greedy, const Tensor& logits);
  bool ended() const { return !out_.finish_reason.empty(); }
  void cancel() { out_.finish_reason = "cancelled"; }
  /// The answer, once it has ended.
  Generation result();

 private:
  int64_t choose(int64_t greedy, const Tensor& logits);
  void add_text(const std::string& text);

  const ModelConfig& config_;
  const GenerationSettings& settings_;
  const GenerateOptions& options_;
  Sampler sampler_;
  ThinkingBudget budget_;
  std::optional<TextStream> stream_;
  Generation out_;
};

}  // namespace glmv
