// Stage 6: the blocks of the tower.
#include <cmath>

#include "crosscheck/mistake_tools.h"
#include "reference/attention.h"
#include "reference/mrope.h"
#include "reference/rmsnorm.h"
#include "reference/silu_mul.h"

namespace glmv {
namespace {

bool is_tower(const MropeArgs& a) { return a.rounding == Rounding::once; }
bool is_tower(const AttentionArgs& a) { return a.mask == Mask::full; }

// ---- rotary table

/// The reference's table of other positions, axes or frequencies.
template <class Change>
void changed_table(const RopeTableArgs& a, Exec exec, Change change) {
  note_part(a);
  if (!is_tower(a)) return ref::rope_table(a, exec);
  Tensor positions(DType::i32, a.positions), axis(DType::i32, a.axis), frequencies(DType::f32, a.inv_freq);
  convert(a.positions, positions.view), convert(a.axis, axis.view), convert(a.inv_freq, frequencies.view);
  change(positions, axis, frequencies);
  ref::rope_table({positions.view, frequencies.view, axis.view, a.cos, a.sin}, exec);
}

void swapped_axes(const RopeTableArgs& a, Exec exec) {
  changed_table(a, exec, [](Tensor&, Tensor& axis, Tensor&) {
    for (int64_t j = 0; j < axis.view.size(); ++j) axis.data<int32_t>()[j] = 1 - axis.data<int32_t>()[j];
  });
}

/// Coordinates of merged tokens: the four patches of one share theirs.
void merged_coordinates(const RopeTableArgs& a, Exec exec) {
  changed_table(a, exec, [](Tensor& positions, Tensor&, Tensor&) {
    for (int64_t i = 0; i < positions.view.size(); ++i) positions.data<int32_t>()[i] /= 2;
  });
}

/// Frequencies run over the whole half head instead of starting anew for the second axis.
void one_ladder(const RopeTableArgs& a, Exec exec) {
  changed_table(a, exec, [](Tensor&, Tensor&, Tensor& frequencies) {
    const int64_t half = frequencies.view.size() / 2;
    const float ratio = half > 1 ? frequencies.data<float>()[1] : 1;
    for (int64_t j = 0; j < 2 * half; ++j)
      frequencies.data<float>()[j] = std::pow(std::sqrt(ratio), static_cast<float>(j));
  });
}

void table_in_bf16(const RopeTableArgs& a, Exec exec) {
  note_part(a);
  ref::rope_table(a, exec);
  if (!is_tower(a)) return;
  for (const TensorView& v : {a.cos, a.sin}) convert(rounded(v, DType::bf16).view, v);
}

/// Coordinates as if patches came line by line. Extents are not known here, but the largest coordinate of a frame is.
void raster_coordinates(const RopeTableArgs& a, Exec exec) {
  changed_table(a, exec, [](Tensor& positions, Tensor&, Tensor&) {
    const int64_t patches = positions.view.dim[1];
    int32_t* y = positions.data<int32_t>();
    int32_t* x = y + patches;
    for (int64_t begin = 0; begin < patches;) {
      int64_t end = begin + 1;
      int32_t width = 0;
      while (end < patches && (y[end] != 0 || x[end] != 0)) ++end;  // a frame begins at the origin
      for (int64_t p = begin; p < end; ++p) width = std::max(width, x[p] + 1);
      for (int64_t p = begin; p < end; ++p) {
        y[p] = static_cast<int32_t>(p - begin) / width;
        x[p] = static_cast<int32_t>(p - begin) % width;
      }
      begin = end;
    }
  });
}

// ---- rotation and attention

void not_rotated(const MropeArgs& a, Exec exec) {
  if (!is_tower(a)) return ref::mrope(a, exec);
  if (a.x.data != a.out.data) convert(a.x, a.out);
}

void even_odd(const MropeArgs& a, Exec exec) {
  MropeArgs wrong = a;
  if (is_tower(a)) wrong.pairing = Pairing::even_odd;
  ref::mrope(wrong, exec);
}

/// One segment for everything: patches of other frames and pictures are seen.
void across_frames(const AttentionArgs& a, Exec exec) {
  if (!is_tower(a)) return ref::attention(a, exec);
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

void causal_tower(const AttentionArgs& a, Exec exec) {
  AttentionArgs wrong = a;
  wrong.mask = Mask::causal;
  ref::attention(wrong, exec);
}

void unscaled(const AttentionArgs& a, Exec exec) {
  AttentionArgs wrong = a;
  if (is_tower(a)) wrong.scale = 1;
  ref::attention(wrong, exec);
}

// ---- norms and MLP

void layernorm_row(double* row, int64_t n, const double* weight, double eps) {
  double mean = 0, square = 0;
  for (int64_t i = 0; i < n; ++i) mean += row[i] / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) square += (row[i] - mean) * (row[i] - mean) / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) row[i] = weight[i] * (row[i] - mean) / std::sqrt(square + eps);
}

/// The mean is taken off, as LayerNorm does.
void centred_norm(const RmsNormArgs& a, Exec exec) {
  if (!in_tower()) return ref::rmsnorm(a, exec);
  const Tensor weight = f64_of(a.weight);
  map_rows(a.x, a.out,
           [&](double* row, int64_t n) { layernorm_row(row, n, weight.data<double>(), static_cast<double>(a.eps)); });
}

/// GELU where SiLU belongs.
void gelu_gate(const SiluMulArgs& a, Exec exec) {
  if (!in_tower()) return ref::silu_mul(a, exec);
  Tensor gate = f64_of(a.gate);
  const Tensor up = f64_of(a.up);
  for (int64_t i = 0; i < gate.view.size(); ++i) {
    double& x = gate.data<double>()[i];
    x = 0.5 * x * std::erfc(-x / std::sqrt(2.0)) * up.data<double>()[i];
  }
  convert(gate.view, a.out);
}

void norm_op(Mutant& m, void (*run)(const RmsNormArgs&, Exec)) {
  watch_parts(m);
  m.backend.ops.rmsnorm.run = run;
  m.backend.ops.fused_add_rmsnorm = {};  // it would go past it
}

// ---- weights of qkv: [q | k | v], each heads x head dim

int64_t interleaved_row(int64_t r, int64_t heads, int64_t d) {
  const int64_t part = r / (heads * d), head = r / d % heads, i = r % d;
  return (head * 3 + part) * d + i;  // what a reader of (head, part, i) would take for row r
}

void qkv_interleaved(Mutant& m) {
  const VisionConfig c = m.model.config.vision;
  for_blocks(m, [&](VisionBlockWeights& b) {
    permute_rows(m, b.qkv, [&](int64_t r) { return interleaved_row(r, c.num_heads, c.head_dim()); });
  });
}

/// Norms: the first one stands before the blocks.
std::vector<Mistake> norm_mistakes() {
  const auto entry = [](const char* name, const char* wrong, const char* right, const char* source,
                        void (*build)(Mutant&)) {
    Mistake m{name, 4, "model.visual.post_conv_layernorm", wrong, right, source, build};
    m.subtle = true;
    return m;
  };
  return {
      entry("vision_norm=layernorm", "the tower's norms take the mean off", "RMSNorm", "reference/rmsnorm.h",
            [](Mutant& m) { norm_op(m, centred_norm); }),
      entry("vision_eps=1e-6", "the tower's norms use 1e-6", "rms_norm_eps of the vision configuration, 1e-5",
            "reference/model/vision.h", [](Mutant& m) { m.model.config.vision.rms_norm_eps = 1e-6f; }),
  };
}

std::vector<Mistake> block_mistakes() {
  const auto entry = [](const char* name, const char* point, const char* wrong, const char* right, const char* source,
                        void (*build)(Mutant&)) { return Mistake{name, 6, point, wrong, right, source, build}; };
  const char* table = "reference/rope_table.h";
  const char* angles = "model.visual.rotary";
  const char* tower = "reference/model/vision.h";
  const char* attention = "reference/attention.h";
  return {
      entry("vision_rope=swapped_axes", angles, "the tower's rotary halves are width, height", "height, width", table,
            [](Mutant& m) { m.backend.ops.rope_table.run = swapped_axes; }),
      entry("vision_rope=raster", angles, "rotary coordinates follow the lines of the picture",
            "they follow the 2x2 blocks in which patches come", tower,
            [](Mutant& m) { m.backend.ops.rope_table.run = raster_coordinates; }),
      entry("vision_rope=merged_coordinates", angles, "rotary coordinates are those of merged tokens",
            "those of patches", tower, [](Mutant& m) { m.backend.ops.rope_table.run = merged_coordinates; }),
      entry("vision_rope=text_theta", angles, "the tower's rotary base is the decoder's rope_theta", "10000", tower,
            [](Mutant& m) { m.model.config.vision.rope_theta = m.model.config.text.rope_theta; }),
      entry("vision_rope=one_ladder", angles, "frequencies run on through both axes", "each axis has all frequencies",
            table, [](Mutant& m) { m.backend.ops.rope_table.run = one_ladder; }),
      entry("vision_rope=bf16_table", angles, "cos and sin of the tower are rounded to bf16", "they stay f32", table,
            [](Mutant& m) { m.backend.ops.rope_table.run = table_in_bf16; }),
      entry("vision_qkv=fp8", "attn.q", "the tower's qkv was quantised to FP8",
            "the tower is never quantised: the checkpoint's ignore list names attn.qkv_proj",
            "https://github.com/vllm-project/vllm/pull/22949",
            [](Mutant& m) { for_blocks(m, [&](VisionBlockWeights& b) { quantise_rows(m, b.qkv); }); }),
      entry("vision_qkv=interleaved", "attn.q", "rows of qkv are read head by head", "all of q, all of k, all of v",
            tower, qkv_interleaved),
      entry("vision_rope=omitted", "attn.context", "queries and keys of the tower are not rotated",
            "both are, over the whole head", "reference/mrope.h",
            [](Mutant& m) { m.backend.ops.mrope.run = not_rotated; }),
      entry("vision_rope=even_odd", "attn.context", "the tower rotates the pairs (2j, 2j+1)", "(j, j + d/2)",
            "reference/mrope.h", [](Mutant& m) { m.backend.ops.mrope.run = even_odd; }),
      entry("vision_attention=across_frames", "attn.context", "patches attend to all frames and pictures",
            "to their own frame only", attention, [](Mutant& m) { m.backend.ops.attention.run = across_frames; }),
      entry("vision_attention=causal", "attn.context", "patches attend to earlier patches only", "to their whole frame",
            attention, [](Mutant& m) { m.backend.ops.attention.run = causal_tower; }),
      entry("vision_scale=omitted", "attn.context", "the tower's scores are not scaled",
            "they are divided by the root of the head size", attention,
            [](Mutant& m) { m.backend.ops.attention.run = unscaled; }),
      entry("vision_gate_up=swapped", "mlp", "the tower activates the up branch", "SiLU on the gate branch",
            "reference/silu_mul.h",
            [](Mutant& m) { for_blocks(m, [](VisionBlockWeights& b) { std::swap(b.mlp.gate, b.mlp.up); }); }),
      entry("vision_act=gelu", "mlp", "the tower's MLP has GELU", "SiLU", "reference/silu_mul.h",
            [](Mutant& m) {
              watch_parts(m);
              m.backend.ops.silu_mul.run = gelu_gate;
            }),
  };
}

}  // namespace

std::vector<Mistake> vision_mistakes() {
  std::vector<Mistake> all = norm_mistakes();
  for (Mistake& m : block_mistakes()) all.push_back(std::move(m));
  return all;
}

}  // namespace glmv
