// A model's weights in the memory of a backend.
#pragma once

#include "reference/core/arena.h"
#include "reference/model/weights.h"

namespace glmv {

/// Copies every tensor once, in the type in which it is stored; tied tensors stay tied. On the host nothing is copied.
/// Error (exit code 3): not enough memory on the device.
class DeviceWeights {
 public:
  /// `host` must outlive it.
  DeviceWeights(const Weights& host, const Backend& backend);
  const Weights& weights() const { return on_host_ ? host_ : copies_; }

 private:
  const Weights& host_;
  bool on_host_;
  Arena memory_;
  Weights copies_;  // empty on the host
};

/// f(weight) for every matrix and vector that the forward pass reads, in the order of the structs.
void for_each_matrix(Weights& weights, const std::function<void(Weight&)>& f);

}  // namespace glmv
