// One step's work: which tokens of which sequences, where they stand, where their keys go.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "reference/core/arena.h"
#include "reference/core/probe.h"
#include "reference/model/kv_cache.h"

namespace glmv {

/// Host side of a step, rebuilt for every step.
struct Batch {
  std::vector<int32_t> ids;
  std::vector<std::array<int32_t, 3>> positions;  ///< (T, H, W) per token
  std::vector<int32_t> slots;                     ///< cache row per token
  std::vector<int32_t> cu_seqlens{0};             ///< prefix sums of tokens per sequence
  std::vector<int32_t> lengths;                   ///< keys per sequence, this step's included
  std::vector<std::vector<int32_t>> pages;        ///< per sequence
  std::vector<int32_t> visual_rows;               ///< tokens that take a visual feature, in feature order
  int64_t first_feature = 0;                      ///< index of the feature of visual_rows[0]
  std::vector<int32_t> logit_rows;                ///< tokens whose logits are wanted

  /// Experts to use instead of the router's choice: layer -> i32 [tokens, K].
  const std::map<int64_t, Tensor>* forced_ids = nullptr;

  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }

  /// Appends tokens of one sequence and takes the cache pages they need.
  void add(CachedSequence& sequence, KvCache& cache, const std::vector<int32_t>& ids,
           const std::vector<std::array<int32_t, 3>>& positions);
};

/// The same in the backend's memory, as ops take it.
struct Step {
  ConstTensorView ids;          ///< i32 [T]
  ConstTensorView positions;    ///< i32 [3, T]
  ConstTensorView slots;        ///< i32 [T]
  ConstTensorView cu_seqlens;   ///< i32 [B + 1]
  ConstTensorView lengths;      ///< i32 [B]
  ConstTensorView page_table;   ///< i32 [B, largest number of pages]
  ConstTensorView visual_rows;  ///< i32 [N]
  ConstTensorView logit_rows;   ///< i32 [N]
  ConstTensorView inv_freq;  ///< f32 [R/2]: of the rotary embedding, the same for every step; made if it is not there
  ConstTensorView axis;      ///< i32 [R/2]
  TensorView cos, sin;       ///< [T, R/2], filled by the decoder
};
/// In one copy, behind the stream's work.
Step upload(const Context& ctx, const Batch& batch);

/// A vector of i32 in the backend's memory.
TensorView upload(const Context& ctx, const std::vector<int32_t>& values);

}  // namespace glmv
