// Greedy generation: prefill, then token by token until an end-of-sequence id or the limit.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reference/model/glm4v.h"

namespace glmv {

struct GenerateOptions {
  int64_t max_new_tokens = 128;
  bool ignore_eos = false;                      ///< for timing
  bool margins = true;                          ///< false: logits stay on the device, for timing
  std::function<bool(int64_t token)> on_token;  ///< called for every token that is not an end; false stops
};

struct Generation {
  std::vector<int64_t> ids;     ///< the end-of-sequence id included, if one came
  std::vector<double> margins;  ///< largest minus second largest logit, per token; empty if not asked for
  std::string finish_reason;    ///< "stop" = an eos id, "length" = the limit, "cancelled" = on_token said so

  /// What there is to read: the ids without the end-of-sequence id.
  std::vector<int64_t> text_ids() const { return {ids.begin(), ids.end() - (finish_reason == "stop" ? 1 : 0)}; }
};

/// Runs one prompt in a fresh session.
Generation generate(Session& session, const Prompt& prompt, const ModelConfig& config, const GenerateOptions& options);

/// Runs all prompts, as many at once as the session has room for: as one ends, the next joins. done(i, generation) is
/// called as prompt i ends. When on_token says false, prompts that run are done as "cancelled" and no other begins.
void generate_all(BatchSession& session, const std::vector<Prompt>& prompts, const ModelConfig& config,
                  const GenerateOptions& options,
                  const std::function<void(size_t prompt, const Generation& generation)>& done);

}  // namespace glmv
