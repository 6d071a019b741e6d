// The probe: looks at tensors while the model runs. Always compiled in; costs one test per point when absent.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "reference/core/backend.h"

namespace glmv {

class Arena;
struct Comm;  // ranks of a parallel run; declared for the layers' signature, one rank = null

/// Receives every traced point. Names and shapes are those of tests/golden/README.md ("model.visual.blocks.0.attn.q",
/// ...).
struct Probe {
  /// Is this point wanted? Fused paths that would skip a wanted inner point are not taken.
  std::function<bool(std::string_view name)> wants;
  /// Called with a view of the backend's memory that is valid during the call only.
  std::function<void(std::string_view name, const ConstTensorView& value)> record;
};

/// What a layer needs besides weights and activations.
struct Context {
  const Backend& backend;
  Arena& arena;
  Exec exec;
  Probe* probe = nullptr;
  Comm* comm = nullptr;

  const OpTable& ops() const { return backend.ops; }
  bool traced(std::string_view name) const { return probe != nullptr && probe->wants(name); }
  /// Hands one point to the probe, if there is one that wants it.
  void point(const std::string& name, const ConstTensorView& value) const {
    if (traced(name)) probe->record(name, value);
  }
};

}  // namespace glmv
