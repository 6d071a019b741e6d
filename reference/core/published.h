// Sizes of the published models, as cases and costs count with them.
#pragma once

#include <cstdint>

namespace glmv {

struct PublishedModel {
  const char* name;
  int64_t hidden, layers, dense_layers;
  int64_t heads, kv_heads, width, rotary_pairs;
  int64_t dense_ffn, experts, top_k, expert_ffn, vocabulary;

  int64_t qkv_rows() const { return (heads + 2 * kv_heads) * width; }
};

/// config.json of zai-org/GLM-4.5V and zai-org/GLM-4.1V-9B-Thinking.
constexpr PublishedModel kGlm45v{"glm45v", 4096, 46, 1, 96, 8, 128, 32, 10944, 128, 8, 1408, 151552};
constexpr PublishedModel kGlm41v{"glm41v", 4096, 40, 40, 32, 2, 128, 32, 13696, 0, 0, 0, 151552};
/// One of two ranks of GLM-4.5V: heads and the width of every MLP halved; or half of the experts, to which a token's
/// choices fall half on average.
constexpr PublishedModel kGlm45vTp2{"glm45v_tp2", 4096, 46, 1, 48, 4, 128, 32, 5472, 128, 8, 704, 151552};
constexpr PublishedModel kGlm45vEp2{"glm45v_ep2", 4096, 46, 1, 96, 8, 128, 32, 10944, 64, 4, 1408, 151552};

/// The vision tower that GLM-4.1V and GLM-4.5V share.
struct PublishedVision {
  int64_t hidden, depth, heads, width, patch_numbers, ffn, out, merger_ffn;
};
constexpr PublishedVision kGlmVision{1536, 24, 12, 128, 1176, 4096, 4096, 10944};

/// Tokens of a decode step, of a prefill, and patches of a picture, that are worth timing.
constexpr int64_t kDecodeTokens[] = {1, 8, 64, 256};
constexpr int64_t kPrefillTokens[] = {1024, 8192, 32768};
constexpr int64_t kContexts[] = {1024, 8192, 32768, 131072};
constexpr int64_t kPatches[] = {576, 2304, 6400, 24576};

}  // namespace glmv
