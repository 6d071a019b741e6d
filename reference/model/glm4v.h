// One sequence: a prompt, then token by token.
#pragma once

#include "reference/model/batch_session.h"

namespace glmv {

/// Prefill once, then step token by token.
class Session {
 public:
  Session(const Model& model, DeviceWeights::Shared weights, const SessionOptions& options)
      : batch_(model, std::move(weights), options) {}
  /// With weights of its own; where there are several sessions they should share them.
  Session(const Model& model, const Backend& backend, const SessionOptions& options)
      : Session(model, DeviceWeights::upload(model.weights, backend), options) {}

  /// Runs the prompt and returns the token that greedy search picks after it. With a probe that wants "logits" they
  /// are computed for every row, else for the last one.
  int64_t prefill(const Prompt& prompt, const ForcedIds* forced_ids = nullptr) {
    sequence_ = batch_.add(prompt, forced_ids);
    return batch_.token(sequence_);
  }
  /// Feeds one token and returns the next greedy one.
  int64_t step(int64_t token, const ForcedIds* forced_ids = nullptr) {
    batch_.feed(sequence_, token);
    batch_.step(forced_ids);
    return batch_.token(sequence_);
  }

  /// Logits of the last row of the latest pass, f64 [V] on the host.
  Tensor last_logits() { return batch_.logits(sequence_); }
  int64_t length() { return batch_.length(sequence_); }
  const Timings& timings() const { return batch_.timings(); }
  const StepGraphs& graphs() const { return batch_.graphs(); }

 private:
  BatchSession batch_;
  int64_t sequence_ = -1;
};

}  // namespace glmv
