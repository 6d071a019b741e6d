// What a server that speaks the OpenAI protocol reveals about a prompt, held against the local truth. No dump is
// needed: stages 0 to 2 show in the number of prompt tokens and, where offered, their ids; what comes after shows in
// the greedy answer and its log probabilities.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/endpoint.h"
#include "eval/media.h"
#include "reference/model/glm4v.h"

namespace glmv::eval {

/// One generated token as far as a server tells.
struct RevealedToken {
  int64_t id = -1;  ///< -1: not told, and not found by its bytes
  std::string text;
  std::optional<double> logprob;  ///< natural logarithm
};

struct Revealed {
  int64_t prompt_tokens = -1;                      ///< usage.prompt_tokens; -1: not told
  std::optional<std::vector<int64_t>> prompt_ids;  ///< vLLM and SGLang tell them when asked
  std::vector<RevealedToken> tokens;
  std::string text, finish_reason;
  bool ids_from_text = false;  ///< the answer's ids were made from its text, which may have been other tokens
};

/// Asks for a greedy answer with ids and log probabilities; a server that refuses such wishes is asked again without
/// them. Error (exit code 3): no usable answer.
Revealed reveal(const EndpointOptions& options, const std::vector<Message>& messages, const std::vector<Medium>& media,
                bool thinking, int64_t max_new_tokens, const Tokenizer& tokenizer);

/// The body of a reply. Error (exit code 3) for one that is no chat completion.
Revealed parse_revealed(const std::string& body, const Tokenizer& tokenizer);

struct EndpointFinding {
  int stage = 0;     ///< as a cross-check counts them
  std::string what;  ///< "prompt tokens", "prompt token ids", "log probabilities", "greedy tokens"
  bool revealed = true, within = true;
  std::string detail;
};

/// `model`: null where there are no weights; then what comes after stage 2 is not judged. A token that is not the local
/// best is no departure if the two logits are nearer than twice what an f32 and a bf16 run differ there. Nor are added
/// tokens of ours (boxes, say) that their text has none of, if ids were made from it: they are fed and passed over.
std::vector<EndpointFinding> check_revealed(const Revealed& theirs, const Processor& processor, const Prompt& prompt,
                                            const Model* model);

}  // namespace glmv::eval
