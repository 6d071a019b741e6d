// Calls of single ops in the words of a layer: the context's table, the arena's memory, the probe's names.
#pragma once

#include "reference/core/arena.h"
#include "reference/core/probe.h"
#include "reference/model/weights.h"

namespace glmv {

/// A new activation with the extents and type of another.
TensorView like(const Context& ctx, const ConstTensorView& x);

/// out = x · wᵀ (+ bias), a new [T, N].
TensorView linear(const Context& ctx, const ConstTensorView& x, const Weight& w, const Weight& bias = {});

/// out = rmsnorm(x) * weight, a new tensor.
TensorView rmsnorm(const Context& ctx, const ConstTensorView& x, const Weight& weight, float eps);

/// x += delta.
void add_to(const Context& ctx, const TensorView& x, const ConstTensorView& delta);

/// x += delta, then rmsnorm(x) * weight as a new tensor: in one pass where the backend has the fused op.
TensorView add_then_rmsnorm(const Context& ctx, const TensorView& x, const ConstTensorView& delta, const Weight& weight,
                            float eps);

/// down( silu(gate x) * up x ), a new [T, H].
TensorView gated_mlp(const Context& ctx, const ConstTensorView& x, const MlpWeights& w);

/// Columns [first, first + heads * width) of x as [T, heads, width].
TensorView heads_of(const TensorView& x, int64_t first, int64_t heads, int64_t width);

}  // namespace glmv
