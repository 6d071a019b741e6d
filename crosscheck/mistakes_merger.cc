// Stages 7 and 8: from the tower's patches to rows among the token embeddings.
#include <cmath>

#include "crosscheck/mistake_tools.h"
#include "reference/embedding.h"
#include "reference/gelu.h"
#include "reference/layernorm.h"
#include "reference/linear.h"
#include "reference/rmsnorm.h"
#include "reference/splice.h"

namespace glmv {
namespace {

VisionWeights& tower(Mutant& m) { return m.model.weights.vision; }

void norm_left_out(const RmsNormArgs& a, Exec exec) {
  if (is_marked(a.weight)) return convert(a.x, a.out);
  ref::rmsnorm(a, exec);
}

void post_norm_omitted(Mutant& m) {
  mark(m, tower(m).post_norm);
  m.backend.ops.rmsnorm.run = norm_left_out;
}

// ---- downsample: columns are (row in block, column in block, channel)

void half_linear(const LinearArgs& a, Exec exec) {
  if (!is_marked(a.w.data)) return ref::linear(a, exec);
  const Tensor x = rounded(a.x, DType::f16);
  ref::linear({x.view, a.w, a.bias, a.out}, exec);
}

void downsample_in_half(Mutant& m) {
  Weight& w = tower(m).downsample;
  round_weight(m, w, DType::f16);
  mark(m, w);
  m.backend.ops.linear.run = half_linear;
}

void downsample_transposed(Mutant& m) {
  const int64_t d = m.model.config.vision.hidden_size, merge = m.model.config.vision.spatial_merge_size;
  permute_columns(m, tower(m).downsample, [=](int64_t c) {
    const int64_t cell = c / d;
    return (cell % merge * merge + cell / merge) * d + c % d;
  });
}

/// The kernel as it lies in the file, (channel, row, column), applied to patches that lie side by side.
void downsample_as_stored(Mutant& m) {
  const int64_t d = m.model.config.vision.hidden_size, merge = m.model.config.vision.spatial_merge_size;
  permute_columns(m, tower(m).downsample, [=](int64_t c) { return c % (merge * merge) * d + c / (merge * merge); });
}

// ---- merger

void map_gelu(const GeluArgs& a, double (*f)(double)) {
  map_rows(a.x, a.out, [&](double* row, int64_t n) {
    for (int64_t i = 0; i < n; ++i) row[i] = f(row[i]);
  });
}

double tanh_gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
double quick_gelu(double x) { return x / (1 + std::exp(-1.702 * x)); }

/// The mean stays: RMSNorm with a bias.
void mean_kept(const LayerNormArgs& a, Exec) {
  const Tensor weight = f64_of(a.weight), bias = f64_of(a.bias);
  map_rows(a.x, a.out, [&](double* row, int64_t n) {
    double square = 0;
    for (int64_t i = 0; i < n; ++i) square += row[i] * row[i] / static_cast<double>(n);
    const double scale = 1 / std::sqrt(square + static_cast<double>(a.eps));
    for (int64_t i = 0; i < n; ++i) row[i] = row[i] * scale * weight.data<double>()[i] + bias.data<double>()[i];
  });
}

void other_eps(const LayerNormArgs& a, Exec exec) {
  LayerNormArgs wrong = a;
  wrong.eps = 1e-6f;
  ref::layernorm(wrong, exec);
}

// ---- splice. The tower's features pass through the op once to be ordered, then into the embeddings, whose rows are
// told apart by there being more of them than features.

bool is_into_prompt(const SpliceArgs& a) { return a.x.dim[0] > a.features.dim[0]; }

template <class Row>
void move_features(const SpliceArgs& a, Exec exec, Row row) {
  if (!is_into_prompt(a)) return ref::splice(a, exec);
  Tensor rows(DType::i32, a.rows);
  const int64_t n = a.rows.dim[0];
  for (int64_t i = 0; i < n; ++i) rows.data<int32_t>()[i] = as<int32_t, 1>(a.rows)(row(i, n));
  ref::splice({rows.view, a.features, a.x}, exec);
}

void shifted(const SpliceArgs& a, Exec exec) {
  move_features(a, exec, [](int64_t i, int64_t n) { return (i + 1) % n; });
}
void backwards(const SpliceArgs& a, Exec exec) {
  move_features(a, exec, [](int64_t i, int64_t n) { return n - 1 - i; });
}
void left_out(const SpliceArgs& a, Exec exec) {
  if (!is_into_prompt(a)) ref::splice(a, exec);
}
void added(const SpliceArgs& a, Exec exec) {
  if (!is_into_prompt(a)) return ref::splice(a, exec);
  const Tensor before = f64_of(a.x);
  ref::splice(a, exec);
  const Tensor sum = f64_of(a.x);
  const auto row = as<int32_t, 1>(a.rows);
  for (int64_t i = 0; i < row.dim[0]; ++i) {
    for (int64_t c = 0; c < a.x.dim[1]; ++c)
      sum.data<double>()[row(i) * a.x.dim[1] + c] += before.data<double>()[row(i) * a.x.dim[1] + c];
  }
  convert(sum.view, a.x);
}

/// Token embeddings times the root of their width.
void scaled_embedding(const EmbeddingArgs& a, Exec exec) {
  ref::embedding(a, exec);
  if (!is_marked(a.table.data)) return;
  map_rows(a.out, a.out, [](double* row, int64_t n) {
    for (int64_t i = 0; i < n; ++i) row[i] *= std::sqrt(static_cast<double>(n));
  });
}

std::vector<Mistake> splice_mistakes() {
  const auto entry = [](const char* name, const char* wrong, const char* right, const char* source,
                        void (*build)(Mutant&)) {
    return Mistake{name, 8, "inputs_embeds", wrong, right, source, build};
  };
  const char* header = "reference/splice.h";
  const char* order = "feature i overwrites the embedding of visual token i";
  return {
      entry("splice=omitted", "placeholders keep their own embedding", order,
            "https://github.com/sgl-project/sglang/issues/39831",
            [](Mutant& m) { m.backend.ops.splice.run = left_out; }),
      entry("splice=shifted", "features are one token late", order, header,
            [](Mutant& m) { m.backend.ops.splice.run = shifted; }),
      entry("splice=backwards", "features come last to first", order, header,
            [](Mutant& m) { m.backend.ops.splice.run = backwards; }),
      entry("splice=added", "features are added to the placeholder's embedding", order, header,
            [](Mutant& m) { m.backend.ops.splice.run = added; }),
      entry("embedding=scaled", "token embeddings are multiplied by the root of their width",
            "they are taken as they are", "reference/embedding.h",
            [](Mutant& m) {
              mark(m, m.model.weights.embed_tokens);
              m.backend.ops.embedding.run = scaled_embedding;
            }),
  };
}

}  // namespace

std::vector<Mistake> merger_mistakes() {
  const auto entry = [](const char* name, const char* point, const char* wrong, const char* right, const char* source,
                        void (*build)(Mutant&)) { return Mistake{name, 7, point, wrong, right, source, build}; };
  const char* header = "reference/model/vision.h";
  const char* downsample = "model.visual.downsample";
  const char* merger = "model.visual.merger";
  std::vector<Mistake> all = {
      entry("post_norm=omitted", "model.visual.post_layernorm", "the norm behind the tower's blocks is left out",
            "RMSNorm before the downsampling", header, post_norm_omitted),
      entry("downsample=transposed", downsample, "rows and columns of the 2x2 kernel are exchanged",
            "the four patches are row by row", header, downsample_transposed),
      entry("downsample=as_stored", downsample, "the kernel is flattened (channel, row, column) as in the file",
            "(row, column, channel), as four rows of patches lie side by side", header, downsample_as_stored),
      entry("downsample_bias=omitted", downsample, "the downsampling's bias is left out", "it has one", header,
            [](Mutant& m) { set_zero(m, tower(m).downsample_bias); }),
      entry("downsample=f16", downsample, "the downsampling runs in half precision", "in the type of the run",
            "https://github.com/ggml-org/llama.cpp/pull/18042", downsample_in_half),
      entry("merger_gelu=tanh", merger, "the merger's GELU is the tanh approximation", "the exact one, with erf",
            "reference/gelu.h",
            [](Mutant& m) { m.backend.ops.gelu.run = [](const GeluArgs& a, Exec) { map_gelu(a, tanh_gelu); }; }),
      entry("merger_gelu=quick", merger, "the merger's GELU is x times sigmoid(1.702 x)", "the exact one, with erf",
            "reference/gelu.h",
            [](Mutant& m) { m.backend.ops.gelu.run = [](const GeluArgs& a, Exec) { map_gelu(a, quick_gelu); }; }),
      entry("merger_gelu=omitted", merger, "nothing stands between the merger's norm and its MLP", "GELU",
            "reference/gelu.h",
            [](Mutant& m) {
              m.backend.ops.gelu.run = [](const GeluArgs& a, Exec) {
                if (a.x.data != a.out.data) convert(a.x, a.out);
              };
            }),
      entry("merger_norm=rms", merger, "the merger's norm keeps the mean", "LayerNorm, the only one of the model",
            "reference/layernorm.h", [](Mutant& m) { m.backend.ops.layernorm.run = mean_kept; }),
      entry("merger_norm_bias=omitted", merger, "the bias of the merger's norm is left out", "it has one", header,
            [](Mutant& m) { set_zero(m, tower(m).merger_norm_bias); }),
      entry("merger_eps=1e-6", merger, "the merger's norm uses 1e-6", "1e-5", header,
            [](Mutant& m) { m.backend.ops.layernorm.run = other_eps; }),
      entry("merger_gate_up=swapped", merger, "the merger activates the up branch", "SiLU on the gate branch",
            "reference/silu_mul.h", [](Mutant& m) { std::swap(tower(m).merger_mlp.gate, tower(m).merger_mlp.up); }),
  };
  for (Mistake& m : splice_mistakes()) all.push_back(std::move(m));
  return all;
}

}  // namespace glmv
