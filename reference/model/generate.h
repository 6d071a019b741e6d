// Generation: prefill, then token by token until an end-of-sequence id, a stop string or the limit.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/chat.h"
#include "data/settings.h"
#include "data/tokenizer.h"
#include "reference/model/glm4v.h"

namespace glmv {

/// Tokens around reasoning. -1 and empty: unknown, and there is no thinking budget.
struct ThinkTokens {
  int64_t begin = -1;        ///< <think>
  std::vector<int64_t> end;  ///< what is forced when the budget is used up; the first one is </think>
  int64_t turn = -1;         ///< <|assistant|>, after which the answer begins
};
/// As a template writes reasoning. Error (exit code 2) if the tokenizer has no such tokens.
ThinkTokens think_tokens(const Tokenizer& tokenizer, ChatTemplate chat_template);

struct GenerateOptions {
  bool ignore_eos = false;               ///< for timing
  bool margins = true;                   ///< false: logits stay on the device unless something needs them
  const Tokenizer* tokenizer = nullptr;  ///< for the text; stop strings need it
  ThinkTokens think;                     ///< a thinking budget needs it

  std::function<bool(int64_t token)> on_token;  ///< called for every token that is not an end; false stops
  /// Called with text as it becomes certain: whole characters that belong to no stop string.
  std::function<void(const std::string& text)> on_text;
};

/// What a model thought of one token: natural logarithms of softmax over its logits, before any processor.
struct TokenLogprobs {
  double taken = 0;
  std::vector<std::pair<int64_t, double>> top;  ///< the most likely ids, in order; of equal ones the lower id first
};

struct Generation {
  std::vector<int64_t> ids;             ///< the end-of-sequence id included, if one came
  std::vector<double> margins;          ///< largest minus second largest logit, per token; empty if not asked for
  std::vector<TokenLogprobs> logprobs;  ///< per token; empty if not asked for
  std::string text;                     ///< what it says, up to a stop string; empty without a tokenizer
  int64_t forced = 0;                   ///< tokens that the thinking budget put there
  std::string finish_reason;  ///< "stop" = an eos id or a stop string, "length" = the limit, "cancelled" = on_token
  std::string stop_string;    ///< the stop string that ended it, "" if none did

  /// What there is to read: the ids without the end-of-sequence id.
  std::vector<int64_t> text_ids() const {
    const bool eos = finish_reason == "stop" && stop_string.empty();
    return {ids.begin(), ids.end() - (eos ? 1 : 0)};
  }
};

/// Runs one prompt in a fresh session. Greedy search stays on the device; sampling, a repetition penalty, margins and
/// log-probabilities copy each token's logits to the host. Error (exit code 2): settings that check() refuses, stop
/// strings without a tokenizer, a thinking budget without think tokens.
Generation generate(Session& session, const Prompt& prompt, const ModelConfig& config,
                    const GenerationSettings& settings, const GenerateOptions& options);

/// Runs all prompts, as many at once as the session has room for: as one ends, the next joins. Each has its settings
/// and its draws, and so the answer that it has alone. done(i, generation) is called as prompt i ends. When on_token
/// says false, prompts that run are done as "cancelled" and no other begins.
void generate_all(BatchSession& session, const std::vector<Prompt>& prompts, const ModelConfig& config,
                  const std::vector<GenerationSettings>& settings, const GenerateOptions& options,
                  const std::function<void(size_t prompt, const Generation& generation)>& done);

}  // namespace glmv
