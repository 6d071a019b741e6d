// A whole model: prefill and decode beside the least time the machine allows, and where the time went.
#pragma once

#include <string>
#include <vector>

#include "bench/cost.h"
#include "bench/roofline.h"
#include "bench/timed_ops.h"
#include "reference/model/glm4v.h"

namespace glmv::bench {

struct ModelBenchOptions {
  DType activation = DType::bf16;
  int64_t prompt = 512, generated = 16, sequences = 1;
  int repetitions = 3;
};

/// One phase: "pp512" or "tg16".
struct ModelPhase {
  std::string name;
  int64_t prompt = 0, generated = 0, depth = 0;  ///< as llama-bench counts: depth = tokens in the cache before
  double tokens = 0;                             ///< per repetition, all sequences
  std::vector<double> seconds;                   ///< per repetition
  double floor_seconds = 0;                      ///< sum of the kernels' rooflines
  std::vector<OpTime> ops;                       ///< of one repetition whose ops were timed one by one
  double timed_seconds = 0;                      ///< that repetition as a whole

  double ops_seconds() const;
  /// What of that repetition no op accounts for, as a share.
  double gap() const;
};

struct ModelBenchResult {
  std::vector<ModelPhase> phases;
  double weight_bytes = 0, parameters = 0;
};

/// The sizes of a configuration's text decoder.
PublishedModel sizes_of(const ModelConfig& config);

/// Random prompts, `generated` greedy tokens, end tokens ignored; one repetition untimed before, one with timed ops
/// behind, for which the weights must lie on a backend of with_timed_ops().
ModelBenchResult run_model_bench(const Model& model, const DeviceWeights::Shared& weights, const Peaks& peaks,
                                 const ModelBenchOptions& options);

/// Records with llama-bench's keys, and ours.
std::string model_bench_json(const ModelBenchResult& result, const ModelConfig& config, const std::string& backend,
                             const ModelBenchOptions& options);
/// Tokens per second beside the floor; the ops of each phase by time; the gap in words where it is over 15 %.
std::string model_bench_text(const ModelBenchResult& result);

}  // namespace glmv::bench
