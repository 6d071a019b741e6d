// The decoder layer, written once for every backend and both families. Start at decoder_layer.
#include "reference/model/text.h"

#include <cmath>

#include "reference/attention.h"
#include "reference/embedding.h"
#include "reference/fused.h"
#include "reference/kv_write.h"
#include "reference/model/layers.h"
#include "reference/moe_experts.h"
#include "reference/moe_route.h"
#include "reference/mrope.h"
#include "reference/rope_table.h"
#include "reference/splice.h"

namespace glmv {

/// Turns q in place and fills the cache: in one launch where the backend has the fused op.
void rotate_and_cache(const Context& ctx, const TextLayer& layer, const Step& step, const TensorView& q,
                      const TensorView& k, const TensorView& v, const std::string& at) {
  const Pairing pairing = layer.config.family == Family::moe ? Pairing::half_split : Pairing::even_odd;
  if (ctx.ops().fused_rope_kv_write && !ctx.traced(at + ".k_rot")) {
    ctx.ops().fused_rope_kv_write(
        {q, k, v, step.cos, step.sin, pairing, Rounding::hf, step.slots, layer.k_pages, layer.v_pages}, ctx.exec);
    return ctx.point(at + ".q_rot", q);
  }
  ctx.ops().mrope({q, step.cos, step.sin, pairing, Rounding::hf, q}, ctx.exec);
  ctx.ops().mrope({k, step.cos, step.sin, pairing, Rounding::hf, k}, ctx.exec);
  ctx.point(at + ".q_rot", q);
  ctx.point(at + ".k_rot", k);
  ctx.ops().kv_write({k, v, step.slots, layer.k_pages, layer.v_pages}, ctx.exec);
}

TensorView self_attention(const Context& ctx, const TextLayer& layer, const Step& step, const TensorView& h,
                          const std::string& at) {
  const TextConfig& c = layer.config.text;
  const TensorView q = heads_of(linear(ctx, h, layer.w.q, layer.w.q_bias), 0, c.num_heads, c.head_dim);
  const TensorView k = heads_of(linear(ctx, h, layer.w.k, layer.w.k_bias), 0, c.num_kv_heads, c.head_dim);
  const TensorView v = heads_of(linear(ctx, h, layer.w.v, layer.w.v_bias), 0, c.num_kv_heads, c.head_dim);
  ctx.point(at + ".q", q);
  ctx.point(at + ".k", k);
  ctx.point(at + ".v", v);

  rotate_and_cache(ctx, layer, step, q, k, v, at);
  const TensorView context = ctx.arena.make(q.dtype, {q.dim[0], q.dim[1], q.dim[2]});
  const KvView kv{layer.k_pages, layer.v_pages, step.page_table, step.lengths};
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  ctx.ops().attention({q, kv, scale, Mask::causal, step.cu_seqlens, context}, ctx.exec);
  ctx.point(at + ".context", context);
  return linear(ctx, reshape(context, {q.dim[0], q.dim[1] * q.dim[2]}), layer.w.o);
}

TensorView moe(const Context& ctx, const TextLayer& layer, const Batch& batch, const TensorView& h,
               const std::string& at) {
  const TextConfig& c = layer.config.text;
  const MoeWeights& w = layer.w.moe;
  const int64_t tokens = h.dim[0], k = c.num_experts_per_tok;
  const DType exact = h.dtype == DType::f64 ? DType::f64 : DType::f32;  // the router never works in 16 bits
  const TensorView logits = ctx.arena.make(exact, {tokens, c.num_experts});
  const TensorView ids = ctx.arena.make(DType::i32, {tokens, k}), weights = ctx.arena.make(exact, {tokens, k});
  ConstTensorView forced;
  if (batch.forced_ids != nullptr && batch.forced_ids->count(layer.index) > 0) {
    const Tensor& wanted = batch.forced_ids->at(layer.index);
    const TensorView copy = ctx.arena.make(DType::i32, {wanted.view.dim[0], wanted.view.dim[1]});
    ctx.backend.send(copy.data, wanted.view.data, static_cast<size_t>(copy.bytes()), ctx.exec.stream);
    forced = copy;
  }
  ctx.ops().moe_route({h, w.gate, w.correction_bias.data, c.n_group, c.topk_group, c.norm_topk_prob,
                       c.routed_scaling_factor, forced, logits, ids, weights},
                      ctx.exec);
  ctx.point(at + ".gate.logits", logits);
  ctx.point(at + ".gate.topk_ids", ids);
  ctx.point(at + ".gate.topk_weights", weights);

  const TensorView routed = like(ctx, h);
  ctx.ops().moe_experts({h, ids, weights, w.experts(), routed}, ctx.exec);
  ctx.point(at + ".experts", routed);
  const TensorView shared = gated_mlp(ctx, h, w.shared);
  ctx.point(at + ".shared_experts", shared);
  add_to(ctx, routed, shared);
  return routed;
}

namespace {

/// Rows of h: the head is the largest matrix, so only the rows whose logits are wanted meet it. Taking rows of a table
/// is what the embedding does.
TensorView rows_of(const Context& ctx, const TensorView& h, const ConstTensorView& rows) {
  const TensorView out = ctx.arena.make(h.dtype, {rows.dim[0], h.dim[1]});
  Weight table;
  table.data = h;
  ctx.ops().embedding({rows, table, out}, ctx.exec);
  return out;
}

}  // namespace

void decoder_layer(const Context& ctx, const TextLayer& layer, const Batch& batch, const Step& step,
                   const TensorView& x) {
  const ArenaScope scope(ctx.arena);
  const TextLayerWeights& w = layer.w;
  const float eps = layer.config.text.rms_norm_eps;
  const std::string at = concat("model.language_model.layers.", layer.index);

  TensorView h = rmsnorm(ctx, x, w.input_norm, eps);
  ctx.point(at + ".input_layernorm", h);
  h = self_attention(ctx, layer, step, h, at + ".self_attn");
  ctx.point(at + ".self_attn", h);
  if (w.post_self_attn_norm) {  // dense family: a norm behind each branch as well
    h = rmsnorm(ctx, h, w.post_self_attn_norm, eps);
    ctx.point(at + ".post_self_attn_layernorm", h);
  }

  h = add_then_rmsnorm(ctx, x, h, w.post_attention_norm, eps);
  ctx.point(at + ".post_attention_layernorm", h);
  h = w.moe.gate ? moe(ctx, layer, batch, h, at + ".mlp") : gated_mlp(ctx, h, w.mlp);
  ctx.point(at + ".mlp", h);
  if (w.post_mlp_norm) {
    h = rmsnorm(ctx, h, w.post_mlp_norm, eps);
    ctx.point(at + ".post_mlp_layernorm", h);
  }
  add_to(ctx, x, h);
  ctx.point(at, x);
}

void text_rope_basis(const Context& ctx, const TextConfig& c, Step& step) {
  const int64_t pairs = c.rotary_dim / 2;
  std::vector<float> inv_freq;
  std::vector<int32_t> axis;
  for (int64_t j = 0; j < pairs; ++j) {
    // float throughout: rounding a double-precision power gives other bits than the library for some j.
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(c.rotary_dim);
    inv_freq.push_back(1.0f / std::pow(static_cast<float>(c.rope_theta), exponent));
  }
  for (size_t a = 0; a < c.mrope_section.size(); ++a) {  // contiguous blocks of frequencies: T, then H, then W
    axis.insert(axis.end(), static_cast<size_t>(c.mrope_section[a]), static_cast<int32_t>(a));
  }
  const TensorView frequencies = ctx.arena.make(DType::f32, {pairs});
  ctx.backend.send(frequencies.data, inv_freq.data(), inv_freq.size() * sizeof(float), ctx.exec.stream);
  step.inv_freq = frequencies;
  step.axis = upload(ctx, axis);
}

void text_rope_table(const Context& ctx, const TextConfig& c, DType activation, Step& step) {
  if (!step.inv_freq) text_rope_basis(ctx, c, step);
  const DType table = activation == DType::f64 ? DType::f32 : activation;
  step.cos = ctx.arena.make(table, {step.ids.dim[0], c.rotary_dim / 2});
  step.sin = ctx.arena.make(table, {step.ids.dim[0], c.rotary_dim / 2});
  ctx.ops().rope_table({step.positions, step.inv_freq, step.axis, step.cos, step.sin}, ctx.exec);
  ctx.point("model.language_model.rotary.cos", step.cos);
  ctx.point("model.language_model.rotary.sin", step.sin);
}

TensorView embed(const Context& ctx, const Weights& weights, const Batch& batch, const Step& step,
                 const ConstTensorView& features, DType activation) {
  const TensorView x = ctx.arena.make(activation, {batch.tokens(), weights.embed_tokens.cols()});
  ctx.ops().embedding({step.ids, weights.embed_tokens, x}, ctx.exec);
  const auto rows = static_cast<int64_t>(batch.visual_rows.size());
  if (rows > 0) {
    GLMV_CHECK(features && batch.first_feature + rows <= features.dim[0], rows, " visual tokens from feature ",
               batch.first_feature, ", features ", features);
    const ConstTensorView taken = slice(features, 0, batch.first_feature, batch.first_feature + rows);
    ctx.ops().splice({step.visual_rows, taken, x}, ctx.exec);
  }
  ctx.point("inputs_embeds", x);
  return x;
}

TensorView output_head(const Context& ctx, const ModelConfig& config, const Weights& weights, const Batch& batch,
                       const Step& step, const TensorView& x) {
  TensorView h = rmsnorm(ctx, x, weights.norm, config.text.rms_norm_eps);
  ctx.point("model.language_model.norm", h);
  if (batch.logit_rows.size() < batch.ids.size()) h = rows_of(ctx, h, step.logit_rows);
  const TensorView logits = linear(ctx, h, weights.lm_head);
  ctx.point("logits", logits);
  return logits;
}

TensorView decode(const Context& ctx, const ModelConfig& config, const Weights& weights, const KvCache& cache,
                  const Batch& batch, Step& step, const TensorView& x) {
  text_rope_table(ctx, config.text, x.dtype, step);
  for (int64_t i = 0; i < config.text.num_layers; ++i) {
    const TextLayer layer{config, weights.layers[static_cast<size_t>(i)], i, cache.k(i), cache.v(i)};
    decoder_layer(ctx, layer, batch, step, x);
  }
  return output_head(ctx, config, weights, batch, step, x);
}

}  // namespace glmv
