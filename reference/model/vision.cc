// The tower, written once for every backend. Start at vision_tower.
#include "reference/model/vision.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/attention.h"
#include "reference/gelu.h"
#include "reference/layernorm.h"
#include "reference/model/batch.h"
#include "reference/model/layers.h"
#include "reference/mrope.h"
#include "reference/pos_embed.h"
#include "reference/pos_embed_taps.h"
#include "reference/rope_table.h"

namespace glmv {
namespace {

const std::string kTower = "model.visual";

/// Attention reads pages; the tower's keys are one tensor. A page of one patch turns a frame's table into its rows.
ConstTensorView one_patch_pages(const Context& ctx, const std::vector<int32_t>& cu_frames) {
  int32_t most = 0;
  for (size_t f = 0; f + 1 < cu_frames.size(); ++f) most = std::max(most, cu_frames[f + 1] - cu_frames[f]);
  std::vector<int32_t> table;
  for (size_t f = 0; f + 1 < cu_frames.size(); ++f) {
    for (int32_t i = 0; i < most; ++i) table.push_back(std::min(cu_frames[f] + i, cu_frames[f + 1] - 1));
  }
  return reshape(upload(ctx, table), {static_cast<int64_t>(cu_frames.size()) - 1, most});
}

/// [P, heads, D] seen as P pages of one row.
ConstTensorView as_pages(const TensorView& x) {
  ConstTensorView v = x;
  v.rank = 4;
  v.dim[3] = x.dim[2], v.stride[3] = x.stride[2];
  v.dim[2] = x.dim[1], v.stride[2] = x.stride[1];
  v.dim[1] = 1, v.stride[1] = x.stride[0];
  return v;
}

void vision_rope_table(const Context& ctx, const VisionConfig& c, PatchStep& step) {
  const int64_t half = c.head_dim() / 2, per_axis = half / 2;
  std::vector<float> inv_freq;
  std::vector<int32_t> axis;
  for (int32_t a = 0; a < 2; ++a) {  // first height, then width, the same frequencies for both
    for (int64_t j = 0; j < per_axis; ++j) {
      const float exponent = static_cast<float>(2 * j) / static_cast<float>(half);
      inv_freq.push_back(1.0f / std::pow(static_cast<float>(c.rope_theta), exponent));
      axis.push_back(a);
    }
  }
  const TensorView frequencies = ctx.arena.make(DType::f32, {half});
  ctx.backend.send(frequencies.data, inv_freq.data(), inv_freq.size() * sizeof(float), ctx.exec.stream);
  const int64_t patches = step.positions.dim[1];
  step.cos = ctx.arena.make(DType::f32, {patches, half});
  step.sin = ctx.arena.make(DType::f32, {patches, half});
  ctx.ops().rope_table({step.positions, frequencies, upload(ctx, axis), step.cos, step.sin}, ctx.exec);
  ctx.point(kTower + ".rotary.cos", step.cos);
  ctx.point(kTower + ".rotary.sin", step.sin);
}

void add_position_table(const Context& ctx, const VisionConfig& c, const VisionWeights& w, const PatchStep& step,
                        const TensorView& x) {
  const int64_t patches = x.dim[0];
  const auto taps = [&](DType t) { return ctx.arena.make(t, {patches, 4}); };
  const TensorView iy = taps(DType::i32), ix = taps(DType::i32), wy = taps(DType::f32), wx = taps(DType::f32);
  ctx.ops().pos_embed_taps({step.positions, step.extents, c.table_side(), iy, ix, wy, wx}, ctx.exec);
  ctx.ops().pos_embed({x, w.position_table.data, c.table_side(), iy, ix, wy, wx, x}, ctx.exec);
}

TensorView vision_attention(const Context& ctx, const VisionConfig& c, const VisionBlockWeights& w,
                            const PatchStep& step, const TensorView& h, const std::string& at) {
  const int64_t heads = c.num_heads, width = c.head_dim();
  const TensorView qkv = linear(ctx, h, w.qkv);
  const TensorView q = heads_of(qkv, 0, heads, width), k = heads_of(qkv, c.hidden_size, heads, width);
  const TensorView v = heads_of(qkv, 2 * c.hidden_size, heads, width);
  ctx.point(at + ".q", q);
  ctx.point(at + ".k", k);
  ctx.point(at + ".v", v);
  for (const TensorView& x : {q, k}) {
    ctx.ops().mrope({x, step.cos, step.sin, Pairing::half_split, Rounding::once, x}, ctx.exec);
  }
  const TensorView context = ctx.arena.make(h.dtype, {h.dim[0], heads, width});
  const KvView kv{as_pages(k), as_pages(v), step.page_table, step.lengths};
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  ctx.ops().attention({q, kv, scale, Mask::full, step.cu_frames, context}, ctx.exec);
  ctx.point(at + ".context", context);
  return linear(ctx, reshape(context, {h.dim[0], heads * width}), w.proj);
}

}  // namespace

void vision_block(const Context& ctx, const VisionConfig& c, const VisionBlockWeights& w, int64_t index,
                  const PatchStep& step, const TensorView& x) {
  const ArenaScope scope(ctx.arena);
  const std::string at = concat(kTower, ".blocks.", index);
  TensorView h = rmsnorm(ctx, x, w.norm1, c.rms_norm_eps);
  ctx.point(at + ".norm1", h);
  h = vision_attention(ctx, c, w, step, h, at + ".attn");
  ctx.point(at + ".attn", h);
  h = add_then_rmsnorm(ctx, x, h, w.norm2, c.rms_norm_eps);
  ctx.point(at + ".norm2", h);
  h = gated_mlp(ctx, h, w.mlp);
  ctx.point(at + ".mlp", h);
  add_to(ctx, x, h);
  ctx.point(at, x);
}

PatchStep patch_step(const Context& ctx, const VisionConfig& c, const std::vector<Grid>& grids) {
  const PatchPositions p = patch_positions(grids, c.spatial_merge_size);
  const auto pair = [&](std::vector<int32_t> a, const std::vector<int32_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return reshape(upload(ctx, a), {2, static_cast<int64_t>(b.size())});
  };
  PatchStep step;
  step.positions = pair(p.y, p.x);
  step.extents = pair(p.h, p.w);
  step.cu_frames = upload(ctx, p.cu_frames);
  std::vector<int32_t> lengths(p.cu_frames.size());
  std::adjacent_difference(p.cu_frames.begin(), p.cu_frames.end(), lengths.begin());
  lengths.erase(lengths.begin());
  step.lengths = upload(ctx, lengths);
  step.page_table = one_patch_pages(ctx, p.cu_frames);
  vision_rope_table(ctx, c, step);
  return step;
}

TensorView merge_patches(const Context& ctx, const VisionConfig& c, const VisionWeights& w, const TensorView& x) {
  const int64_t cells = c.spatial_merge_size * c.spatial_merge_size;
  // Four rows are one block of 2x2 patches: the convolution is a linear on them.
  TensorView h = linear(ctx, reshape(x, {x.dim[0] / cells, cells * c.hidden_size}), w.downsample, w.downsample_bias);
  ctx.point(kTower + ".downsample", h);
  h = linear(ctx, h, w.merger_proj);
  constexpr float kLayerNormEps = 1e-5f;  // torch.nn.LayerNorm's default; the configuration has no key for it
  ctx.ops().layernorm({h, w.merger_norm.data, w.merger_norm_bias.data, kLayerNormEps, h}, ctx.exec);
  ctx.ops().gelu({h, h}, ctx.exec);
  h = gated_mlp(ctx, h, w.merger_mlp);
  ctx.point(kTower + ".merger", h);
  return h;
}

TensorView embed_patches(const Context& ctx, const VisionConfig& c, const VisionWeights& w,
                         const ConstTensorView& pixels, const PatchStep& step, DType activation) {
  const int64_t patches = step.positions.dim[1];
  GLMV_CHECK(pixels.rank == 2 && pixels.dim[0] == patches && pixels.dim[1] == c.patch_numbers(), "pixels ", pixels,
             " for ", patches, " patches of ", c.patch_numbers(), " numbers");
  Tensor cast(activation, pixels);  // the library casts pixels to the convolution's type first
  convert(pixels, cast.view);
  const TensorView input = ctx.arena.make(activation, {patches, c.patch_numbers()});
  ctx.backend.send(input.data, cast.view.data, static_cast<size_t>(input.bytes()), ctx.exec.stream);

  TensorView x = linear(ctx, input, w.patch_embed, w.patch_embed_bias);
  ctx.point(kTower + ".patch_embed", x);
  x = rmsnorm(ctx, x, w.post_conv_norm, c.rms_norm_eps);
  ctx.point(kTower + ".post_conv_layernorm", x);
  add_position_table(ctx, c, w, step, x);
  ctx.point(kTower + ".embeddings", x);
  return x;
}

TensorView finish_tower(const Context& ctx, const VisionConfig& c, const VisionWeights& w, const TensorView& x) {
  const TensorView h = rmsnorm(ctx, x, w.post_norm, c.rms_norm_eps);
  ctx.point(kTower + ".post_layernorm", h);
  return merge_patches(ctx, c, w, h);
}

TensorView vision_tower(const Context& ctx, const ModelConfig& config, const VisionWeights& w,
                        const ConstTensorView& pixels, const std::vector<Grid>& grids, DType activation) {
  const VisionConfig& c = config.vision;
  const PatchStep step = patch_step(ctx, c, grids);
  const TensorView x = embed_patches(ctx, c, w, pixels, step, activation);
  for (int64_t i = 0; i < c.depth; ++i) vision_block(ctx, c, w.blocks[static_cast<size_t>(i)], i, step, x);
  return finish_tower(ctx, c, w, x);
}

}  // namespace glmv
