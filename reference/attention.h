#pragma once

#include "reference/core/exec.h"
#include "reference/core/kv_view.h"
#include "reference/core/rounding.h"

namespace glmv {

enum class Mask : uint8_t {
  causal,  ///< text decoder: query t of a sequence with T queries and S keys sees keys s <= S - T + t
  full,    ///< vision tower: every key of the segment
};

/// attention: out[t] = softmax(scale * q[t]·kᵀ + mask) · v, per query head.
/// Shapes   q, out [T, Hq, D]   kv: B sequences of lengths[b] keys, Hkv heads, D   cu_seqlens [B + 1]
///          Hq % Hkv == 0; head h reads kv head h / (Hq/Hkv)
///          sequence b owns queries cu_seqlens[b] .. cu_seqlens[b+1]-1; prefill, chunked prefill and decode differ
///          only in how many queries a sequence has; in the tower a sequence is one frame of one picture
/// Types    q, k, v, out f32 or bf16, all equal (f64 = gold); sums in f32; i32 lengths and tables
/// Rounding hf: scores are rounded, scaled and rounded again, probabilities rounded · once: output only
/// Layout   last axis adjacent, other strides free; out must not overlap an input
/// Units    scale is a plain factor, usually 1/sqrt(D); lengths are tokens
/// Errors   Error on any mismatch above; causal with fewer keys than queries; a row with no visible key yields 0
/// Cost     4·T·S·Hq·D flops (causal: half), reads k and v once per query block
/// Source   eager_attention_forward of glm4v_moe; grouped-query attention, arXiv 2305.13245
struct AttentionArgs {
  ConstTensorView q;
  KvView kv;
  float scale = 1;
  Mask mask = Mask::causal;
  ConstTensorView cu_seqlens;
  TensorView out;
  Rounding rounding = Rounding::hf;
};
void check(const AttentionArgs&);

namespace ref {
void attention(const AttentionArgs&, Exec);
}
}  // namespace glmv
