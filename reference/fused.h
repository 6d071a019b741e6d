// Fused ops: optional table entries. Each one's reference is the composition of plain ops.
#pragma once

#include "reference/core/exec.h"
#include "reference/core/rounding.h"
#include "reference/core/view.h"

namespace glmv {

/// fused_add_rmsnorm: residual += delta; out = rmsnorm(residual) * weight. The residual is rounded before the norm.
/// Shapes   residual, delta, out [T, H]   weight [H]
/// Types    residual, delta, out f32 or bf16, all equal (f64 = gold); weight any float type
/// Rounding as add followed by rmsnorm
/// Layout   last axis adjacent; out must not overlap residual
/// Errors   as add and rmsnorm
/// Cost     5·T·H flops, reads 2·T·H, writes 2·T·H
/// Source   reference/add.h, reference/rmsnorm.h
struct FusedAddRmsNormArgs {
  TensorView residual;
  ConstTensorView delta;
  ConstTensorView weight;
  float eps = 0;
  TensorView out;
  Rounding rounding = Rounding::hf;
};
void check(const FusedAddRmsNormArgs&);

namespace ref {
void fused_add_rmsnorm(const FusedAddRmsNormArgs&, Exec);
}

/// fused_rope_kv_write: turns q in place; writes k, turned, and v to the cache.
/// Shapes   q [T, Hq, D]   k, v [T, Hkv, D]   cos, sin [T, J], 2J <= D   slots [T]   pages [pages, page, Hkv, D]
/// Types    q, k, v and pages f32 or bf16, all equal (f64 = gold); cos, sin f32 or bf16; slots i32
/// Rounding as mrope followed by kv_write
/// Layout   q: last axis adjacent; k, v: last two axes adjacent; pages contiguous; nothing overlaps
/// Errors   as mrope and kv_write
/// Cost     reads and writes 2·T·Hq·J of q and 2·T·Hkv·D of k and v
/// Source   reference/mrope.h, reference/kv_write.h
struct FusedRopeKvWriteArgs {
  TensorView q;
  ConstTensorView k, v;
  ConstTensorView cos, sin;
  Pairing pairing = Pairing::half_split;
  Rounding rounding = Rounding::hf;
  ConstTensorView slots;
  TensorView k_pages, v_pages;
};
void check(const FusedRopeKvWriteArgs&);

namespace ref {
void fused_rope_kv_write(const FusedRopeKvWriteArgs&, Exec);
}
}  // namespace glmv
