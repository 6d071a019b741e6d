// The whole model: a snapshot on disk, and a session that runs prompts through it on a backend.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "reference/model/device_weights.h"
#include "reference/model/prompt.h"
#include "reference/model/text.h"
#include "reference/model/vision.h"

namespace glmv {

struct Model {
  std::string dir;
  ModelConfig config;
  Checkpoint checkpoint;
  Weights weights;

  /// DIR or org/name[@revision]; weights are mapped, nothing large is read.
  static Model open(const std::string& model);
};

struct SessionOptions {
  DType activation = DType::f32;  ///< f64 = gold, f32, bf16 = with the rounding points of the Hugging Face model
  int64_t max_tokens = 0;         ///< room in the KV cache
  int64_t page_size = 0;          ///< 0 = one page per sequence
  int64_t chunk = 0;              ///< prompt tokens per forward pass; 0 = all at once
  Reduction reduction = Reduction::blocked;
  Probe* probe = nullptr;
};

/// Nanoseconds spent.
struct Timings {
  int64_t vision_ns = 0;
  int64_t prefill_ns = 0;  ///< language model only
  int64_t decode_ns = 0;
};

/// One sequence: prefill once, then step token by token.
class Session {
 public:
  Session(const Model& model, const Backend& backend, const SessionOptions& options);

  /// Runs the prompt and returns the token that greedy search picks after it. With a probe that wants "logits" they
  /// are computed for every row, else for the last one.
  int64_t prefill(const Prompt& prompt, const std::map<int64_t, Tensor>* forced_ids = nullptr);
  /// Feeds one token and returns the next greedy one.
  int64_t step(int64_t token, const std::map<int64_t, Tensor>* forced_ids = nullptr);

  /// Logits of the last row of the latest pass, f64 [V] on the host.
  Tensor last_logits() const { return last_logits_; }
  int64_t length() const { return sequence_.length; }
  const Timings& timings() const { return timings_; }

 private:
  void encode_visuals(const Prompt& prompt);
  int64_t pass(const std::vector<int32_t>& ids, const std::vector<std::array<int32_t, 3>>& positions,
               const std::vector<int32_t>& visual_rows, int64_t first_feature, bool all_logits,
               const std::map<int64_t, Tensor>* forced_ids);
  Context context() { return {backend_, arena_, Exec{{}, {}, options_.reduction, &arena_}, options_.probe}; }

  const Model& model_;
  const Backend& backend_;
  SessionOptions options_;
  DeviceWeights weights_;
  Arena arena_;          // activations, rewound after each pass
  Arena visual_memory_;  // features of the prompt
  KvCache cache_;
  CachedSequence sequence_;
  TensorView features_;
  Tensor last_logits_;
  Timings timings_;
};

}  // namespace glmv
