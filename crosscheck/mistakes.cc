// The catalogue. An op of a wrong table calls the right op with wrong arguments, or spoils its result.
#include "crosscheck/mistakes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "reference/attention.h"
#include "reference/core/arena.h"
#include "reference/core/rows.h"
#include "reference/gelu.h"
#include "reference/layernorm.h"
#include "reference/linear.h"
#include "reference/moe_route.h"
#include "reference/mrope.h"
#include "reference/pos_embed.h"
#include "reference/pos_embed_taps.h"
#include "reference/rope_table.h"
#include "reference/silu_mul.h"

namespace glmv {
namespace {

// ---- vision ----

bool is_tower(const MropeArgs& a) { return a.rounding == Rounding::once; }
bool is_tower(const RopeTableArgs& a) { return a.positions.dim[0] == 2; }

/// Two taps and zeros outside, as torch's grid_sample default would.
void bilinear_zeros(const PosEmbedTapsArgs& a, Exec exec) {
  ref::pos_embed_taps(a, exec);
  const auto position = as<int32_t, 2>(a.positions), extent = as<int32_t, 2>(a.extents);
  const TensorView weights[] = {a.weight_y, a.weight_x};
  for (int axis = 0; axis < 2; ++axis) {
    const auto weight = as<float, 2>(weights[axis]);
    for (int64_t p = 0; p < position.dim[1]; ++p) {
      const float at = (static_cast<float>(position(axis, p)) + 0.5f) / static_cast<float>(extent(axis, p)) *
                           static_cast<float>(a.side) -
                       0.5f;
      const float base = std::floor(at), t = at - base;
      const auto inside = [&](float tap) { return tap >= 0 && tap < static_cast<float>(a.side) ? 1.0f : 0.0f; };
      weight(p, 0) = weight(p, 3) = 0;
      weight(p, 1) = (1 - t) * inside(base);
      weight(p, 2) = t * inside(base + 1);
    }
  }
}

/// Height looked up where width belongs and the reverse.
void swapped_axes_taps(const PosEmbedTapsArgs& a, Exec exec) {
  ref::pos_embed_taps({a.positions, a.extents, a.side, a.index_x, a.index_y, a.weight_x, a.weight_y}, exec);
}

void vision_rope_swapped(const RopeTableArgs& a, Exec exec) {
  if (!is_tower(a)) return ref::rope_table(a, exec);
  Tensor axis(DType::i32, a.axis);
  const auto from = as<int32_t, 1>(a.axis);
  for (int64_t j = 0; j < from.dim[0]; ++j) axis.data<int32_t>()[j] = 1 - from(j);
  ref::rope_table({a.positions, a.inv_freq, axis.view, a.cos, a.sin}, exec);
}

/// One segment for everything: patches of other frames and pictures are seen.
void vision_attention_joined(const AttentionArgs& a, Exec exec) {
  if (a.mask != Mask::full) return ref::attention(a, exec);
  const int64_t patches = a.q.dim[0];
  Tensor cu(DType::i32, {2}), length(DType::i32, {1}), table(DType::i32, {1, patches});
  cu.data<int32_t>()[1] = length.data<int32_t>()[0] = static_cast<int32_t>(patches);
  for (int64_t p = 0; p < patches; ++p) table.data<int32_t>()[p] = static_cast<int32_t>(p);
  AttentionArgs joined = a;
  joined.cu_seqlens = cu.view;
  joined.kv.lengths = length.view;
  joined.kv.page_table = table.view;
  ref::attention(joined, exec);
}

void tanh_gelu(const GeluArgs& a, Exec) {
  std::vector<double> row(static_cast<size_t>(a.x.dim[1]));
  for (int64_t t = 0; t < a.x.dim[0]; ++t) {
    load_row(row_of(a.x, t), a.x.dtype, a.x.dim[1], row.data());
    for (double& x : row) x = 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    store_row(row.data(), a.x.dim[1], a.out.dtype, row_of(a.out, t));
  }
}

// ---- text ----

void text_pairing_flipped(const MropeArgs& a, Exec exec) {
  MropeArgs wrong = a;
  if (!is_tower(a)) wrong.pairing = a.pairing == Pairing::half_split ? Pairing::even_odd : Pairing::half_split;
  ref::mrope(wrong, exec);
}

/// Section by section the axes (H, W, T) instead of (T, H, W).
void mrope_rotated_axes(const RopeTableArgs& a, Exec exec) {
  if (is_tower(a)) return ref::rope_table(a, exec);
  Tensor axis(DType::i32, a.axis);
  const auto from = as<int32_t, 1>(a.axis);
  for (int64_t j = 0; j < from.dim[0]; ++j) axis.data<int32_t>()[j] = (from(j) + 1) % 3;
  ref::rope_table({a.positions, a.inv_freq, axis.view, a.cos, a.sin}, exec);
}

/// The time axis everywhere, as a text-only model would.
void mrope_one_axis(const RopeTableArgs& a, Exec exec) {
  if (is_tower(a)) return ref::rope_table(a, exec);
  Tensor axis(DType::i32, a.axis);
  ref::rope_table({a.positions, a.inv_freq, axis.view, a.cos, a.sin}, exec);
}

/// Query head h reads kv head h modulo Hkv: the heads are reordered before and after the true op.
void interleaved_kv_heads(const AttentionArgs& a, Exec exec) {
  const int64_t heads = a.q.dim[1], kv_heads = a.kv.kv_heads(), group = heads / kv_heads;
  if (kv_heads == heads) return ref::attention(a, exec);
  Tensor q(a.q.dtype, a.q), out(a.q.dtype, a.q);
  const auto place = [&](int64_t h) { return h % kv_heads * group + h / kv_heads; };
  for (int64_t h = 0; h < heads; ++h) convert(slice(a.q, 1, h, h + 1), slice(q.view, 1, place(h), place(h) + 1));
  AttentionArgs wrong = a;
  wrong.q = q.view;
  wrong.out = out.view;
  ref::attention(wrong, exec);
  for (int64_t h = 0; h < heads; ++h) convert(slice(out.view, 1, place(h), place(h) + 1), slice(a.out, 1, h, h + 1));
}

void attention_unscaled(const AttentionArgs& a, Exec exec) {
  AttentionArgs wrong = a;
  if (a.mask == Mask::causal) wrong.scale = 1;
  ref::attention(wrong, exec);
}

/// SiLU on the up branch.
void gate_and_up_swapped(const SiluMulArgs& a, Exec exec) { ref::silu_mul({a.up, a.gate, a.out, a.rounding}, exec); }

// ---- router ----

void route_wrong(const MoeRouteArgs& a, Exec exec, void (*change)(MoeRouteArgs&)) {
  MoeRouteArgs wrong = a;
  change(wrong);
  ref::moe_route(wrong, exec);
}
void scaling_twice(const MoeRouteArgs& a, Exec exec) {
  route_wrong(a, exec, [](MoeRouteArgs& w) { w.scaling *= w.scaling; });
}
void scaling_off(const MoeRouteArgs& a, Exec exec) {
  route_wrong(a, exec, [](MoeRouteArgs& w) { w.scaling = 1; });
}
void norm_off(const MoeRouteArgs& a, Exec exec) {
  route_wrong(a, exec, [](MoeRouteArgs& w) { w.norm_topk = false; });
}
void groups_off(const MoeRouteArgs& a, Exec exec) {
  route_wrong(a, exec, [](MoeRouteArgs& w) { w.n_group = w.topk_group = 1; });
}

void bias_in_bf16(const MoeRouteArgs& a, Exec exec) {
  Tensor rounded(DType::bf16, a.correction_bias);
  convert(a.correction_bias, rounded.view);
  MoeRouteArgs wrong = a;
  wrong.correction_bias = rounded.view;
  ref::moe_route(wrong, exec);
}
void bias_left_out(const MoeRouteArgs& a, Exec exec) {
  const Tensor zero(a.correction_bias.dtype, a.correction_bias);
  MoeRouteArgs wrong = a;
  wrong.correction_bias = zero.view;
  ref::moe_route(wrong, exec);
}

/// Weights of the chosen experts from other scores: score(token, expert) before normalisation and scaling.
template <class Score>
void reweigh(const MoeRouteArgs& a, Score score) {
  Tensor weights(DType::f64, a.weights);
  const auto id = as<int32_t, 2>(a.ids);
  for (int64_t t = 0; t < id.dim[0]; ++t) {
    double* w = weights.data<double>() + t * id.dim[1];
    double sum = 1e-20;
    for (int64_t k = 0; k < id.dim[1]; ++k) sum += w[k] = score(t, id(t, k));
    for (int64_t k = 0; k < id.dim[1]; ++k) w[k] = (a.norm_topk ? w[k] / sum : w[k]) * static_cast<double>(a.scaling);
  }
  convert(weights.view, a.weights);
}

Tensor f64_of(const ConstTensorView& v) {
  Tensor t(DType::f64, v);
  convert(v, t.view);
  return t;
}

void bias_in_weights(const MoeRouteArgs& a, Exec exec) {
  ref::moe_route(a, exec);
  const Tensor logits = f64_of(a.logits), bias = f64_of(a.correction_bias);
  reweigh(a, [&](int64_t t, int32_t e) {
    return 1 / (1 + std::exp(-logits.data<double>()[t * a.logits.dim[1] + e])) + bias.data<double>()[e];
  });
}

/// Softmax over all experts instead of a sigmoid each; the choice stays.
void softmax_weights(const MoeRouteArgs& a, Exec exec) {
  ref::moe_route(a, exec);
  const Tensor logits = f64_of(a.logits);
  const int64_t experts = a.logits.dim[1];
  reweigh(a, [&](int64_t t, int32_t e) {
    const double* row = logits.data<double>() + t * experts;
    double sum = 0;
    for (int64_t i = 0; i < experts; ++i) sum += std::exp(row[i] - row[e]);
    return 1 / sum;
  });
}

}  // namespace

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> all = {
      {"posembed=bilinear_zeros", 5, "model.visual.embeddings",
       "the position table is sampled with 2 bilinear taps and zeros outside instead of 4 bicubic taps and its border",
       [](OpTable& t) { t.pos_embed_taps.run = bilinear_zeros; }},
      {"posembed=swapped_axes", 5, "model.visual.embeddings", "rows and columns of the position table are exchanged",
       [](OpTable& t) { t.pos_embed_taps.run = swapped_axes_taps; }},
      {"posembed=omitted", 5, "model.visual.embeddings", "the learned position table is not added",
       [](OpTable& t) { t.pos_embed.run = [](const PosEmbedArgs& a, Exec) { convert(a.x, a.out); }; }},
      {"vision_rope=swapped_axes", 6, "model.visual.rotary", "the tower's rotary halves are width, height",
       [](OpTable& t) { t.rope_table.run = vision_rope_swapped; }},
      {"vision_rope=omitted", 6, "attn.context", "queries and keys of the tower are not rotated",
       [](OpTable& t) {
         t.mrope.run = [](const MropeArgs& a, Exec exec) {
           if (!is_tower(a)) return ref::mrope(a, exec);
           convert(a.x, a.out);
         };
       }},
      {"vision_attention=across_frames", 6, "attn.context",
       "patches attend to all frames and pictures, not to their own",
       [](OpTable& t) { t.attention.run = vision_attention_joined; }},
      {"merger_gelu=tanh", 7, "model.visual.merger", "the merger's GELU is the tanh approximation",
       [](OpTable& t) { t.gelu.run = tanh_gelu; }},
      {"mrope_order=hwt", 9, "model.language_model.rotary", "the rotary sections follow height, width, time",
       [](OpTable& t) { t.rope_table.run = mrope_rotated_axes; }},
      {"mrope=one_axis", 9, "model.language_model.rotary", "every rotary frequency follows the time axis",
       [](OpTable& t) { t.rope_table.run = mrope_one_axis; }},
      {"rope=even_odd", 9, "self_attn.q_rot",
       "text heads are rotated in the other pairing: (2j, 2j+1) in the MoE family, (j, j+R/2) in the dense one",
       [](OpTable& t) { t.mrope.run = text_pairing_flipped; }},
      {"kv_heads=interleaved", 9, "self_attn.context",
       "query head h reads kv head h modulo the kv heads, not h / group",
       [](OpTable& t) { t.attention.run = interleaved_kv_heads; }},
      {"attention_scale=omitted", 9, "self_attn.context", "scores are not divided by the root of the head size",
       [](OpTable& t) { t.attention.run = attention_unscaled; }},
      {"gate_up=swapped", 6, "mlp", "the activation is applied to the up branch, in the tower and in the decoder",
       [](OpTable& t) { t.silu_mul.run = gate_and_up_swapped; }},
      {"router_bias=bf16", 9, "mlp.gate.topk_ids", "the correction bias was rounded to bf16",
       [](OpTable& t) { t.moe_route.run = bias_in_bf16; },
       [](Tensor& bias, RoutingRule&) {
         Tensor rounded(DType::bf16, bias.view);
         convert(bias.view, rounded.view);
         convert(rounded.view, bias.view);
       }},
      {"router_bias=omitted", 9, "mlp.gate.topk_ids", "experts are chosen without the correction bias",
       [](OpTable& t) { t.moe_route.run = bias_left_out; },
       [](Tensor& bias, RoutingRule&) { bias = Tensor(DType::f64, bias.view); }},
      {"router_groups=off", 9, "mlp.gate.topk_ids", "experts are chosen among all groups",
       [](OpTable& t) { t.moe_route.run = groups_off; },
       [](Tensor&, RoutingRule& rule) {
         rule = {1, 1};
       }},
      {"router_bias=in_weights", 9, "mlp.gate.topk_weights", "the correction bias enters the experts' weights",
       [](OpTable& t) { t.moe_route.run = bias_in_weights; }},
      {"router_scores=softmax", 9, "mlp.gate.topk_weights", "weights are a softmax of the logits instead of sigmoids",
       [](OpTable& t) { t.moe_route.run = softmax_weights; }},
      {"routed_scale=twice", 9, "mlp.gate.topk_weights", "routed_scaling_factor is applied twice",
       [](OpTable& t) { t.moe_route.run = scaling_twice; }},
      {"routed_scale=omitted", 9, "mlp.gate.topk_weights", "routed_scaling_factor is not applied",
       [](OpTable& t) { t.moe_route.run = scaling_off; }},
      {"norm_topk=off", 9, "mlp.gate.topk_weights", "the chosen weights are not normalised",
       [](OpTable& t) { t.moe_route.run = norm_off; }},
  };
  return all;
}

const Mistake& find_mistake(std::string_view name) {
  std::string known;
  for (const Mistake& m : mistakes()) {
    if (m.name == name) return m;
    known += (known.empty() ? "" : ", ") + m.name;
  }
  usage_error("--mistake ", name, " is not in the catalogue: ", known);
}

Backend with_mistake(const Mistake& mistake) {
  Backend wrong = cpu_backend();
  mistake.apply(wrong.ops);
  wrong.ops.fused_rope_kv_write = {};  // it would go past a mistake in mrope or kv_write
  return wrong;
}

}  // namespace glmv
