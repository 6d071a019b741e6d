// Stage 9: the decoder layers, but for router and experts.
#include <algorithm>
#include <cmath>

#include "crosscheck/mistake_tools.h"
#include "reference/attention.h"
#include "reference/fused.h"
#include "reference/kv_write.h"
#include "reference/linear.h"
#include "reference/mrope.h"
#include "reference/rmsnorm.h"
#include "reference/silu_mul.h"

namespace glmv {
namespace {

bool is_tower(const MropeArgs& a) { return a.rounding == Rounding::once; }
bool is_tower(const AttentionArgs& a) { return a.mask == Mask::full; }

// ---- angles: frequency j follows axis(j)

template <class Axis>
void with_axes(const RopeTableArgs& a, Exec exec, Axis axis_of) {
  note_part(a);
  if (is_tower(a)) return ref::rope_table(a, exec);
  Tensor axis(DType::i32, a.axis);
  const auto from = as<int32_t, 1>(a.axis);
  for (int32_t j = 0; j < from.dim[0]; ++j) axis.data<int32_t>()[j] = axis_of(from(j), j);
  ref::rope_table({a.positions, a.inv_freq, axis.view, a.cos, a.sin}, exec);
}

void rotated_axes(const RopeTableArgs& a, Exec exec) {
  with_axes(a, exec, [](int32_t axis, int32_t) { return (axis + 1) % 3; });
}
void one_axis(const RopeTableArgs& a, Exec exec) {
  with_axes(a, exec, [](int32_t, int32_t) { return 0; });
}
void interleaved_axes(const RopeTableArgs& a, Exec exec) {
  with_axes(a, exec, [](int32_t, int32_t j) { return j % 3; });
}

void frequencies_in_bf16(const RopeTableArgs& a, Exec exec) {
  note_part(a);
  if (is_tower(a)) return ref::rope_table(a, exec);
  const Tensor coarse = rounded(a.inv_freq, DType::bf16);
  ref::rope_table({a.positions, coarse.view, a.axis, a.cos, a.sin}, exec);
}

/// The other of the two bases that releases have.
void other_theta(Mutant& m) {
  double& theta = m.model.config.text.rope_theta;
  theta = theta == 10000 ? 500000 : 10000;
}

void all_dimensions(Mutant& m) {
  TextConfig& c = m.model.config.text;
  const int64_t times = c.rotary_dim > 0 ? c.head_dim / c.rotary_dim : 1;
  c.rotary_dim *= times;
  for (int64_t& s : c.mrope_section) s *= times;
}

void half_of_partial(Mutant& m) {
  TextConfig& c = m.model.config.text;
  if (c.rotary_dim < 4) return;
  c.rotary_dim = c.rotary_dim / 4 * 2;
  int64_t left = c.rotary_dim / 2;
  for (int64_t& s : c.mrope_section) left -= s = std::min(left, (s + 1) / 2);
}

// ---- rotation: the fused op would go past a wrong one

void rotation(Mutant& m, void (*run)(const MropeArgs&, Exec)) {
  m.backend.ops.mrope.run = run;
  m.backend.ops.fused_rope_kv_write = {};
}

void other_pairing(const MropeArgs& a, Exec exec) {
  MropeArgs wrong = a;
  if (!is_tower(a)) wrong.pairing = a.pairing == Pairing::half_split ? Pairing::even_odd : Pairing::half_split;
  ref::mrope(wrong, exec);
}

void backwards(const MropeArgs& a, Exec exec) {
  if (is_tower(a)) return ref::mrope(a, exec);
  Tensor sine(a.sin.dtype, a.sin);
  const Tensor values = f64_of(a.sin);
  for (int64_t i = 0; i < values.view.size(); ++i) values.data<double>()[i] *= -1;
  convert(values.view, sine.view);
  MropeArgs wrong = a;
  wrong.sin = sine.view;
  ref::mrope(wrong, exec);
}

void not_rotated(const MropeArgs& a, Exec exec) {
  if (is_tower(a)) return ref::mrope(a, exec);
  if (a.x.data != a.out.data) convert(a.x, a.out);
}

/// The last dimensions of a head are turned, the first pass through.
void last_dimensions(const MropeArgs& a, Exec exec) {
  const int64_t width = a.x.dim[2], turned = 2 * a.cos.dim[1];
  if (is_tower(a) || turned == width) return ref::mrope(a, exec);
  if (a.x.data != a.out.data) convert(a.x, a.out);
  MropeArgs wrong = a;
  wrong.x = slice(a.out, 2, width - turned, width);
  wrong.out = slice(a.out, 2, width - turned, width);
  ref::mrope(wrong, exec);
}

// ---- attention

/// Query head h reads kv head h modulo Hkv: the heads are reordered before and after the true op.
void interleaved_heads(const AttentionArgs& a, Exec exec) {
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

void unscaled(const AttentionArgs& a, Exec exec) {
  AttentionArgs wrong = a;
  if (!is_tower(a)) wrong.scale = 1;
  ref::attention(wrong, exec);
}

void scaled_twice(const AttentionArgs& a, Exec exec) {
  AttentionArgs wrong = a;
  if (!is_tower(a)) wrong.scale *= a.scale;
  ref::attention(wrong, exec);
}

void not_causal(const AttentionArgs& a, Exec exec) {
  AttentionArgs wrong = a;
  wrong.mask = Mask::full;
  ref::attention(wrong, exec);
}

void fp8_cache(const KvWriteArgs& a, Exec exec) {
  const Tensor k = through_fp8(a.k), v = through_fp8(a.v);
  ref::kv_write({k.view, v.view, a.slots, a.k_pages, a.v_pages}, exec);
}

void unscaled_fp8_cache(const KvWriteArgs& a, Exec exec) {
  const Tensor k = rounded(a.k, DType::f8e4m3), v = rounded(a.v, DType::f8e4m3);
  ref::kv_write({k.view, v.view, a.slots, a.k_pages, a.v_pages}, exec);
}

// ---- norms and residuals

void for_text_norms(Mutant& m, const std::function<void(Weight&)>& f) {
  for_layers(m, [&](TextLayerWeights& layer) {
    for (Weight* w : {&layer.input_norm, &layer.post_attention_norm, &layer.post_self_attn_norm, &layer.post_mlp_norm})
      if (*w) f(*w);
  });
  f(m.model.weights.norm);
}

void plus_one(Mutant& m) {
  for_text_norms(m, [&](Weight& w) {
    if (!w) return;
    const Tensor value = f64_of(w.data);
    for (int64_t i = 0; i < value.view.size(); ++i) value.data<double>()[i] += 1;
    replace(m, w, value);
  });
}

void without_post_norms(Mutant& m) {
  m.selective = true;
  for_layers(m, [&](TextLayerWeights& layer) {
    if (layer.post_self_attn_norm) mark(m, layer.post_self_attn_norm), mark(m, layer.post_mlp_norm);
  });
  m.backend.ops.rmsnorm.run = norm_left_out;
}

/// x += delta is x = delta where the norm behind it is marked.
void residual_lost(const FusedAddRmsNormArgs& a, Exec exec) {
  if (!is_marked(a.weight)) return ref::fused_add_rmsnorm(a, exec);
  convert(a.delta, a.residual);
  ref::rmsnorm({a.residual, a.weight, a.eps, a.out, a.rounding}, exec);
}

void lose_residual(Mutant& m) {
  m.selective = true;
  for_layers(m, [&](TextLayerWeights& layer) { mark(m, layer.post_attention_norm); });
  m.backend.ops.fused_add_rmsnorm.run = residual_lost;
}

// ---- MLP and products

void gelu_gate(const SiluMulArgs& a, Exec exec) {
  if (in_tower()) return ref::silu_mul(a, exec);
  const Tensor gate = f64_of(a.gate), up = f64_of(a.up);
  for (int64_t i = 0; i < gate.view.size(); ++i) {
    double& x = gate.data<double>()[i];
    x = 0.5 * x * std::erfc(-x / std::sqrt(2.0)) * up.data<double>()[i];
  }
  convert(gate.view, a.out);
}

void swap_gate_and_up(Mutant& m) {
  for_layers(m, [](TextLayerWeights& layer) {
    for (MlpWeights* mlp : {&layer.mlp, &layer.moe.shared}) std::swap(mlp->gate, mlp->up);
    std::swap(layer.moe.expert_gate, layer.moe.expert_up);
  });
}

void for_text_matrices(Mutant& m, const std::function<void(Weight&)>& f) {
  for_layers(m, [&](TextLayerWeights& layer) {
    for (Weight* w : {&layer.q, &layer.k, &layer.v, &layer.o}) f(*w);
    for (MlpWeights* mlp : {&layer.mlp, &layer.moe.shared}) f(mlp->gate), f(mlp->up), f(mlp->down);
    for (std::vector<Weight>* experts : {&layer.moe.expert_gate, &layer.moe.expert_up, &layer.moe.expert_down}) {
      for (Weight& w : *experts) f(w);
    }
  });
}

void fp8_inputs(const LinearArgs& a, Exec exec) {
  if (!is_marked(a.w.data)) return ref::linear(a, exec);
  const Tensor x = through_fp8(a.x);
  ref::linear({x.view, a.w, a.bias, a.out}, exec);
}

void change_scales(Mutant& m, const std::function<double(double)>& f) {
  for_text_matrices(m, [&](Weight& w) {
    if (w.format != Format::fp8_per_row) return;
    const Tensor scale = f64_of(w.scale);
    Tensor changed(DType::f32, w.scale);
    for (int64_t i = 0; i < scale.view.size(); ++i) scale.data<double>()[i] = f(scale.data<double>()[i]);
    convert(scale.view, changed.view);
    m.model.weights.owned.push_back(changed);
    w.scale = changed.view;
  });
}

double to_bf16(double x) { return static_cast<double>(static_cast<float>(bf16(static_cast<float>(x)))); }

Mistake entry(const char* name, const char* point, const char* wrong, const char* right, const char* source,
              void (*build)(Mutant&)) {
  return {name, 9, point, wrong, right, source, build};
}

std::vector<Mistake> rope_mistakes() {
  const char* table = "model.language_model.rotary";
  const char* header = "reference/rope_table.h";
  const char* rotated = "self_attn.q_rot";
  const char* mrope = "reference/mrope.h";
  const char* blocks = "blocks of frequencies: time, then height, then width";
  const char* partial = "partial_rotary_factor, half of each head";
  return {
      entry("rope=even_odd", rotated, "text heads are rotated in the other family's pairing",
            "(j, j + R/2) in GLM-4.5V and GLM-4.6V, (2j, 2j + 1) in GLM-4.1V and GLM-4.6V-Flash",
            "https://github.com/vllm-project/vllm/pull/42765", [](Mutant& m) { rotation(m, other_pairing); }),
      entry("rope=all_dimensions", table, "all dimensions of a head are rotated", partial,
            "https://github.com/InternLM/lmdeploy/pull/3861", all_dimensions),
      entry("rope=half_of_partial", table, "the rotated part is halved once more", partial,
            "https://github.com/ml-explore/mlx-lm/pull/1698", half_of_partial),
      entry("rope=last_dimensions", rotated, "the last dimensions of a head are rotated instead of the first",
            "the first R, the others pass through", "https://github.com/HabanaAI/vllm-fork/pull/2133",
            [](Mutant& m) { rotation(m, last_dimensions); }),
      entry("mrope=one_axis", table, "every frequency follows the time axis", blocks, header,
            [](Mutant& m) { m.backend.ops.rope_table.run = one_axis; }),
      entry("mrope=interleaved", table, "frequency j follows axis j modulo 3", blocks, header,
            [](Mutant& m) { m.backend.ops.rope_table.run = interleaved_axes; }),
      entry("mrope_order=hwt", table, "the blocks follow height, width, time", blocks, header,
            [](Mutant& m) { m.backend.ops.rope_table.run = rotated_axes; }),
      entry("rope_theta=other_release", table, "rope_theta is that of another release",
            "10000 in GLM-4.5V and GLM-4.1V, 500000 in GLM-4.6V: rope_parameters, where the file has it",
            "data/config.h", other_theta),
      entry("rope_frequencies=bf16", table, "inverse frequencies were cast to bf16 with the model",
            "they are f32 in every mode", header,
            [](Mutant& m) { m.backend.ops.rope_table.run = frequencies_in_bf16; }),
      entry("rope=backwards", rotated, "heads are turned the other way", "(a cos - b sin, b cos + a sin)", mrope,
            [](Mutant& m) { rotation(m, backwards); }),
      entry("rope=omitted", rotated, "queries and keys are not rotated", "both are", mrope,
            [](Mutant& m) { rotation(m, not_rotated); }),
  };
}

std::vector<Mistake> attention_mistakes() {
  const char* context = "self_attn.context";
  const char* header = "reference/attention.h";
  const char* scale = "scores are divided by the root of head_dim";
  const char* cached = "in the type of the run";
  const char* kv_header = "reference/kv_write.h";
  return {
      entry("qkv_bias=omitted", "self_attn.q", "biases of q, k and v are left out", "all three have one, o has none",
            "reference/model/weights.h",
            [](Mutant& m) {
              for_layers(m, [&](TextLayerWeights& l) {
                for (Weight* w : {&l.q_bias, &l.k_bias, &l.v_bias}) set_zero(m, *w);
              });
            }),
      entry("kv_heads=interleaved", context, "query head h reads kv head h modulo the kv heads",
            "query head h reads kv head h / group", header,
            [](Mutant& m) { m.backend.ops.attention.run = interleaved_heads; }),
      entry("attention_scale=omitted", context, "scores are not scaled", scale, header,
            [](Mutant& m) { m.backend.ops.attention.run = unscaled; }),
      entry("attention_scale=twice", context, "scores are scaled twice", scale, header,
            [](Mutant& m) { m.backend.ops.attention.run = scaled_twice; }),
      entry("attention_mask=full", context, "tokens attend to later tokens", "to themselves and earlier ones", header,
            [](Mutant& m) { m.backend.ops.attention.run = not_causal; }),
      entry("kv_cache=fp8", context, "keys and values are cached in FP8, with a scale per row", cached, kv_header,
            [](Mutant& m) {
              m.backend.ops.kv_write.run = fp8_cache;
              m.backend.ops.fused_rope_kv_write = {};
            }),
      entry("kv_cache=fp8_unscaled", context, "keys and values are cached in FP8 without scales", cached, kv_header,
            [](Mutant& m) {
              m.backend.ops.kv_write.run = unscaled_fp8_cache;
              m.backend.ops.fused_rope_kv_write = {};
            }),
  };
}

std::vector<Mistake> layer_mistakes() {
  const char* layer = "reference/model/text.h";
  const char* norm = "reference/rmsnorm.h";
  const char* first = "input_layernorm";
  return {
      entry("text_eps=1e-6", first, "the decoder's norms use 1e-6", "rms_norm_eps, 1e-5", norm,
            [](Mutant& m) { m.model.config.text.rms_norm_eps = 1e-6f; }),
      entry("norm_weight=plus_one", first, "the decoder's norms multiply by 1 + weight", "by the weight", norm,
            plus_one),
      entry("post_norms=omitted", "post_attention_layernorm", "the norms behind attention and MLP are left out",
            "the dense family has four norms per layer: post_self_attn_layernorm, post_mlp_layernorm",
            "https://github.com/vllm-project/vllm/pull/16618", without_post_norms),
      entry("residual=lost", "post_attention_layernorm", "what attention adds replaces the residual stream",
            "it is added to it", "https://github.com/ndif-team/nnsight/issues/630", lose_residual),
      entry("gate_up=swapped", "mlp", "the decoder's MLPs and experts activate the up branch",
            "gate rows come first, SiLU is on the gate branch", "reference/silu_mul.h", swap_gate_and_up),
      entry("text_act=gelu", "mlp", "the decoder's MLPs have GELU", "SiLU", "reference/silu_mul.h",
            [](Mutant& m) {
              watch_parts(m);
              m.backend.ops.silu_mul.run = gelu_gate;
            }),
      entry("fp8_scales=bf16", "self_attn.q", "scales of FP8 rows are rounded to bf16", "they are f32",
            "reference/core/weight.h", [](Mutant& m) { change_scales(m, to_bf16); }),
      entry("fp8_scales=inverse", "self_attn.q", "FP8 rows are divided by their scale",
            "weight_scale multiplies; weight_scale_inv is another format's", "reference/core/weight.h",
            [](Mutant& m) { change_scales(m, [](double x) { return 1 / x; }); }),
      entry("text_weights=fp8", "self_attn.q", "the decoder's matrices were quantised to FP8, a scale per row",
            "they are taken as the checkpoint stores them", layer,
            [](Mutant& m) { for_text_matrices(m, [&](Weight& w) { quantise_rows(m, w); }); }),
      entry("text_inputs=fp8", "self_attn.q",
            "inputs of the decoder's products are quantised to FP8, a scale per token", "they have the type of the run",
            "https://github.com/sgl-project/sglang/issues/28685",
            [](Mutant& m) {
              for_text_matrices(m, [&](Weight& w) { mark(m, w); });
              m.selective = true;
              m.backend.ops.linear.run = fp8_inputs;
            }),
  };
}

}  // namespace

std::vector<Mistake> text_mistakes() {
  std::vector<Mistake> all;
  for (std::vector<Mistake> (*part)() : {rope_mistakes, attention_mistakes, layer_mistakes}) {
    for (Mistake& m : part()) all.push_back(std::move(m));
  }
  for (Mistake& m : all) m.reshapes = m.build == all_dimensions || m.build == half_of_partial;
  return all;
}

}  // namespace glmv
