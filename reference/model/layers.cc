#include "reference/model/layers.h"

#include "reference/add.h"
#include "reference/fused.h"
#include "reference/linear.h"
#include "reference/rmsnorm.h"
#include "reference/silu_mul.h"

namespace glmv {

TensorView like(const Context& ctx, const ConstTensorView& x) {
  GLMV_CHECK(x.rank == 2, "an activation is [T, H], got ", x);
  return ctx.arena.make(x.dtype, {x.dim[0], x.dim[1]});
}

TensorView linear(const Context& ctx, const ConstTensorView& x, const Weight& w, const Weight& bias) {
  TensorView out = ctx.arena.make(x.dtype, {x.dim[0], w.rows()});
  ctx.ops().linear({x, w, bias.data, out}, ctx.exec);
  return out;
}

TensorView rmsnorm(const Context& ctx, const ConstTensorView& x, const Weight& weight, float eps) {
  TensorView out = like(ctx, x);
  ctx.ops().rmsnorm({x, weight.data, eps, out}, ctx.exec);
  return out;
}

void add_to(const Context& ctx, const TensorView& x, const ConstTensorView& delta) {
  ctx.ops().add({x, delta, x}, ctx.exec);
}

TensorView add_then_rmsnorm(const Context& ctx, const TensorView& x, const ConstTensorView& delta, const Weight& weight,
                            float eps) {
  if (!ctx.ops().fused_add_rmsnorm) {
    add_to(ctx, x, delta);
    return rmsnorm(ctx, x, weight, eps);
  }
  TensorView out = like(ctx, x);
  ctx.ops().fused_add_rmsnorm({x, delta, weight.data, eps, out}, ctx.exec);
  return out;
}

TensorView gated_mlp(const Context& ctx, const ConstTensorView& x, const MlpWeights& w) {
  const TensorView gate = linear(ctx, x, w.gate), up = linear(ctx, x, w.up);
  ctx.ops().silu_mul({gate, up, gate}, ctx.exec);
  return linear(ctx, gate, w.down);
}

TensorView heads_of(const TensorView& x, int64_t first, int64_t heads, int64_t width) {
  TensorView v = slice(x, 1, first, first + heads * width);
  v.rank = 3;
  v.dim[1] = heads;
  v.dim[2] = width;
  v.stride[1] = width;
  v.stride[2] = 1;
  return v;
}

}  // namespace glmv
