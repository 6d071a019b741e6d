// How an answer is generated: how a token is chosen, where the answer ends, what is told about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace glmv {

struct JsonNode;

/// Names and meanings are those of the Hugging Face library's generation_config where it has them.
struct GenerationSettings {
  int64_t max_new_tokens = 128;
  double temperature = 0;           ///< 0 = greedy: always the most likely token
  int64_t top_k = 0;                ///< sample among the k most likely tokens; 0 = all
  double top_p = 1;                 ///< sample among the most likely tokens that hold this share of probability
  double min_p = 0;                 ///< rule out tokens less likely than this share of the most likely one
  double repetition_penalty = 1;    ///< divides positive scores of tokens that were there, multiplies negative ones
  uint64_t seed = 0;                ///< of the draws; below 2^32
  std::vector<std::string> stop{};  ///< the answer ends before the first of these texts
  std::optional<int64_t> thinking_budget{};  ///< thinking budget: tokens of reasoning before </think> is forced
  int64_t logprobs = -1;                     ///< alternatives told per token; 0 = the taken token alone, -1 = nothing

  bool samples() const { return temperature > 0; }
};

/// Largest number of alternatives per token.
constexpr int64_t kMostLogprobs = 1000;

/// Error (exit code 2) for values that mean nothing, and for those that would be without effect; `where` stands before
/// the message; "--" asks for names of flags.
void check(const GenerationSettings& settings, const std::string& where);

/// Is this the name of a setting in a line of prompts?
bool is_setting(const std::string& key);

/// The settings that an object has (max_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty, seed, stop,
/// thinking_budget, logprobs), the others as in `defaults`. Errors: exit code 3 for a value of another type, and those
/// of check().
GenerationSettings read_settings(const JsonNode& object, const GenerationSettings& defaults);

}  // namespace glmv
