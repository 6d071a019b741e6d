// What the attention kernels share on the host: their arguments as they read them, and the choice by head width.
#pragma once

#include <type_traits>

#include "hip/device.h"
#include "hip/plan/attention.h"

namespace glmv::GLMV_BACKEND {

/// The arguments of attention with their types looked up: bf16 in memory, strides in elements unless said otherwise.
struct AttentionParams {
  const bf16* q;
  bf16* out;
  int64_t q_token, q_head, out_token, out_head;
  const bf16 *k, *v;                            ///< one layout
  int page_stride, key_stride, kv_head_stride;  ///< in chunks of 8
  const int32_t *page_table, *lengths, *cu_seqlens;
  int64_t table_row, table_column;  ///< strides
  int sequences, group, page_size;
  hip_plan::RowTiles tiling;
  bool causal;
  float scale;
};

AttentionParams attention_params(const AttentionArgs& a, const hip_plan::AttentionPlan& plan);

/// attention_decode.hip: for plans of that path.
void attention_decode(const AttentionArgs& a, const hip_plan::AttentionPlan& plan, Exec exec);

/// f(std::integral_constant<int, D>) for a head width that the planner lets through.
template <class F>
void with_head_width(int64_t width, F f) {
  switch (width) {
    case 16: return f(std::integral_constant<int, 16>{});
    case 32: return f(std::integral_constant<int, 32>{});
    case 64: return f(std::integral_constant<int, 64>{});
    case 96: return f(std::integral_constant<int, 96>{});
    case 128: return f(std::integral_constant<int, 128>{});
    default: GLMV_CHECK(false, "no attention kernel for heads of ", width);
  }
}

}  // namespace glmv::GLMV_BACKEND
