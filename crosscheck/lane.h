// One run of the forward pass that starts every segment anew from their points.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "crosscheck/record.h"
#include "crosscheck/theirs.h"
#include "crosscheck/weight_pages.h"
#include "reference/model/kv_cache.h"
#include "reference/model/text.h"
#include "reference/model/vision.h"

namespace glmv {

/// How lanes differ from one another.
struct LaneOptions {
  DType activation = DType::f64;
  Reduction reduction = Reduction::blocked;
  int nudge = 0;        ///< -1 or 1: their router logits are moved by an ulp that way before a choice is made from them
  bool jitter = false;  ///< their points are moved by up to half an ulp of the type they are stored in
};

/// Runs a script segment by segment, all passes of a segment before the next one. At every point that their trace has,
/// our value is recorded and theirs is put in its place, so that what follows is computed from theirs. The memory it
/// takes is that of one segment's activations and one layer's cache.
class Lane {
 public:
  /// All references must outlive it.
  Lane(const Model& model, const Theirs& theirs, const Script& script, const Backend& backend,
       const LaneOptions& options);

  void run(const Segment& segment);

  /// Our values at their points since the last call.
  Recording take() { return std::exchange(recorded_, {}); }
  /// The router's choice and weights made from their logits instead of from their hidden state; with the logits.
  Recording take_from_their_logits() { return std::exchange(from_logits_, {}); }

 private:
  struct Pass {
    Batch batch;
    Step step;
    TensorView x;
  };

  Context context(Arena& arena) { return {backend_, arena, Exec{{}, {}, options_.reduction, &arena}, &probe_}; }
  bool is_needed(const std::string& name) const;
  void at_point(std::string_view point, const ConstTensorView& value);
  void put_theirs(const std::string& name, const ConstTensorView& value) const;
  void choose_from_their_logits(const std::string& gate, const ConstTensorView& weights);
  void make_passes();
  void run_patches();
  void run_merger();
  void run_embedding();
  void run_layer(int64_t index);
  void run_head();

  const Model& model_;
  const Theirs& theirs_;
  const Script& script_;
  const Backend& backend_;
  LaneOptions options_;
  Probe probe_;
  Arena kept_;     // what lives from segment to segment
  Arena arena_;    // activations of one segment
  KvCache cache_;  // of one layer: the next one writes over it
  CachedSequence sequence_;
  std::vector<Pass> passes_;
  PatchStep patches_;
  TensorView patch_rows_, features_;
  int64_t pass_ = 0, layer_ = -1;
  Recording recorded_, from_logits_;
};

}  // namespace glmv
