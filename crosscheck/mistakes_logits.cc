// Stage 10: from the last layer to the logits.
#include <cmath>

#include "crosscheck/mistake_tools.h"
#include "reference/linear.h"
#include "reference/rmsnorm.h"

namespace glmv {
namespace {

/// In half precision, where what is above 65504 is an infinity.
void half_result(const LinearArgs& a, Exec exec) {
  ref::linear(a, exec);
  if (is_marked(a.w.data)) convert(rounded(a.out, DType::f16).view, a.out);
}

void bf16_result(const LinearArgs& a, Exec exec) {
  ref::linear(a, exec);
  if (is_marked(a.w.data)) convert(rounded(a.out, DType::bf16).view, a.out);
}

void scaled_result(const LinearArgs& a, Exec exec) {
  ref::linear(a, exec);
  if (!is_marked(a.w.data)) return;
  map_rows(a.out, a.out, [&](double* row, int64_t n) {
    for (int64_t i = 0; i < n; ++i) row[i] /= std::sqrt(static_cast<double>(a.w.cols()));
  });
}

void head_op(Mutant& m, void (*run)(const LinearArgs&, Exec)) {
  mark(m, m.model.weights.lm_head);
  m.backend.ops.linear.run = run;
}

void tied_head(Mutant& m) { m.model.weights.lm_head = m.model.weights.embed_tokens; }

}  // namespace

std::vector<Mistake> logit_mistakes() {
  const auto entry = [](const char* name, const char* point, const char* wrong, const char* right, const char* source,
                        void (*build)(Mutant&)) { return Mistake{name, 10, point, wrong, right, source, build}; };
  const char* header = "reference/model/text.h";
  return {
      entry("final_norm=omitted", "model.language_model.norm", "the norm behind the last layer is left out",
            "RMSNorm before the head", header,
            [](Mutant& m) {
              mark(m, m.model.weights.norm);
              m.backend.ops.rmsnorm.run = norm_left_out;
            }),
      entry("lm_head=tied", "logits", "the token embedding serves as head",
            "lm_head is a matrix of its own: tie_word_embeddings is false", "reference/model/weights.h", tied_head),
      entry("logits=f16", "logits", "logits are rounded to half precision, large ones become infinities",
            "they have the type of the run", "https://github.com/vllm-project/vllm/issues/17154",
            [](Mutant& m) { head_op(m, half_result); }),
      entry("logits=bf16", "logits", "logits are rounded to bf16 in a wider run", "they have the type of the run",
            header, [](Mutant& m) { head_op(m, bf16_result); }),
      entry("logits=scaled", "logits", "logits are divided by the root of the hidden size", "they are not scaled",
            header, [](Mutant& m) { head_op(m, scaled_result); }),
  };
}

}  // namespace glmv
