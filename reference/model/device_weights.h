// A model's weights in the memory of a backend: once for all sessions there.
#pragma once

#include <memory>

#include "reference/core/arena.h"
#include "reference/model/weights.h"

namespace glmv {

class DeviceWeights {
 public:
  using Shared = std::shared_ptr<const DeviceWeights>;

  /// Copies every tensor once, in the type in which it is stored; tied tensors stay tied. On the host nothing is
  /// copied. `host` must outlive it. Errors, before anything is copied: exit code 3, not enough memory; 2, f64 weights.
  static Shared upload(const Weights& host, const Backend& backend);

  /// Procedural values (reference/model/procedural_weights.h) made on the backend itself, the same on every one: all of
  /// the text model, no vision tower. bf16, correction biases f32, and where the configuration is quantised the
  /// routed experts FP8 with a scale per row. Error (exit code 3), before anything is made: not enough memory.
  static Shared random(const ModelConfig& config, const Backend& backend);
  /// Bytes that it takes.
  static size_t random_bytes(const ModelConfig& config, const Backend& backend);

  const Weights& weights() const { return on_host_ != nullptr ? *on_host_ : copies_; }
  const Backend& backend() const { return memory_.backend(); }
  size_t bytes() const { return bytes_; }  ///< taken of the backend's memory

 private:
  DeviceWeights(const Backend& backend, size_t bytes) : bytes_(bytes), memory_(backend, bytes) {}

  const Weights* on_host_ = nullptr;
  size_t bytes_;
  Arena memory_;
  Weights copies_;
};

/// f(weight) for every matrix and vector that the forward pass reads, in the order of the structs.
void for_each_matrix(Weights& weights, const std::function<void(Weight&)>& f);

}  // namespace glmv
