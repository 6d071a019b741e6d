#include "bench/cost.h"

#include <cmath>

namespace glmv::bench {
namespace {

double d(int64_t n) { return static_cast<double>(n); }

}  // namespace

double expected_experts(double tokens, double experts, double k) {
  return experts * (1 - std::pow(1 - k / experts, tokens));
}

Cost rms_cost(const PublishedModel& m, double t, Widths w) { return rows_cost(t * d(m.hidden), 2, 2, 5, w); }

Cost qkv_cost(const PublishedModel& m, double t, Widths w) {
  return product_cost(t, d(m.qkv_rows()), d(m.hidden), w, 2);
}

Cost rope_cost(const PublishedModel& m, double t, Widths w) {
  const double turned = t * d((m.heads + m.kv_heads) * m.rotary_pairs), all = t * d(m.qkv_rows());
  return {6 * turned, 2 * all * w.activation};
}

Cost prefill_attention_cost(const PublishedModel& m, double s, double past, Widths w) {
  return attention_cost(s, causal_pairs(s, past), s + past, d(m.heads), d(m.kv_heads), d(m.width), w);
}

Cost decode_attention_cost(const PublishedModel& m, double context, Widths w) {
  Cost c = attention_cost(1, context, context, d(m.heads), d(m.kv_heads), d(m.width), w);
  c.bytes += 2 * d(m.kv_heads * m.width) * w.activation;  // the token's own key and value
  return c;
}

Cost o_cost(const PublishedModel& m, double t, Widths w) {
  return product_cost(t, d(m.hidden), d(m.heads * m.width), w, 2);
}

/// Logits stay where the choice is made; 64 bytes of ids and weights leave per token.
Cost router_cost(const PublishedModel& m, double t, Widths w) {
  const double weights = d(m.experts * m.hidden);
  return {2 * t * weights, 2 * weights + t * d(m.hidden) * w.activation + 8 * d(m.top_k) * t};
}

Cost gate_up_cost(const PublishedModel& m, double t, double touched, Widths w) {
  const double rows = t * d(m.top_k), n = 2 * d(m.expert_ffn), k = d(m.hidden);
  return {2 * rows * n * k, touched * n * k * w.weight + t * k * w.activation + rows * d(m.expert_ffn) * w.activation};
}

Cost down_cost(const PublishedModel& m, double t, double touched, Widths w) {
  const double rows = t * d(m.top_k), n = d(m.hidden), k = d(m.expert_ffn);
  return {2 * rows * n * k, touched * n * k * w.weight + rows * k * w.activation + 2 * t * n};
}

Cost combine_cost(const PublishedModel& m, double t, Widths w) {
  const double elements = t * d(m.hidden), k = d(m.top_k);
  return {2 * k * elements, (k + 2) * elements * w.activation};
}

Cost mlp_cost(const PublishedModel& m, double t, double ffn, Widths w) {
  const double weights = 3 * d(m.hidden) * ffn;
  return {2 * t * weights, weights * w.weight + 2 * t * d(m.hidden) * w.activation};
}

Cost lm_head_cost(const PublishedModel& m, double t, Widths w) {
  return product_cost(t, d(m.vocabulary), d(m.hidden), {2, w.activation, w.cache}, 4);
}

Cost sampling_cost(const PublishedModel& m, double t) { return {t * d(m.vocabulary), 4 * t * d(m.vocabulary)}; }

Cost vision_product_cost(double rows, double n, double k) { return product_cost(rows, n, k); }

Cost vision_attention_cost(const PublishedVision& v, double patches) {
  return attention_cost(patches, patches * patches, patches, d(v.heads), d(v.heads), d(v.width));
}

double cache_bytes_per_token(const PublishedModel& m, Widths w) {
  return d(m.layers) * 2 * d(m.kv_heads * m.width) * w.cache;
}

double decode_step_bytes(const PublishedModel& m, double sequences, double context, Widths w) {
  const double attention = d(m.qkv_rows() * m.hidden + m.hidden * m.heads * m.width) * w.weight;
  const double dense = 3 * d(m.hidden * m.dense_ffn) * w.weight, expert = 3 * d(m.hidden * m.expert_ffn) * w.weight;
  const double touched = m.experts == 0 ? 0 : expected_experts(sequences, d(m.experts), d(m.top_k));
  const double moe =
      2 * d(m.experts * m.hidden) + (touched + 1) * expert;  // the gate has 16 bits, one expert is shared
  return d(m.layers) * attention + d(m.dense_layers) * dense + d(m.layers - m.dense_layers) * moe +
         2 * d(m.vocabulary * m.hidden) + sequences * context * cache_bytes_per_token(m, w);
}

double parameters(const PublishedModel& m, const PublishedVision& v) {
  const double hidden = d(m.hidden), attention = d(m.qkv_rows()) * (hidden + 1) + hidden * d(m.heads * m.width);
  const double dense = 3 * hidden * d(m.dense_ffn), expert = 3 * hidden * d(m.expert_ffn);
  const double moe = d(m.experts) * (expert + hidden + 1) + expert;  // gate and correction bias; the shared expert
  const double text = d(m.layers) * (attention + 2 * hidden) + d(m.dense_layers) * dense +
                      d(m.layers - m.dense_layers) * moe + hidden + 2 * d(m.vocabulary) * hidden;
  const double width = d(v.hidden), out = d(v.out);
  const double block = 4 * width * width + 3 * width * d(v.ffn) + 2 * width;
  const double embed = width * (d(v.patch_numbers) + 1) + 24 * 24 * width + 2 * width;  // two norms about the blocks
  const double merger = out * (4 * width + 1) + out * out + 2 * out + 3 * out * d(v.merger_ffn);
  return text + d(v.depth) * block + embed + merger;
}

std::vector<PassPart> prefill_parts(const PublishedModel& m, double s, Widths w) {
  const double layers = d(m.layers), moe = d(m.layers - m.dense_layers);
  std::vector<PassPart> parts = {
      {"rmsnorm", 2 * layers, rms_cost(m, s, w)},
      {"qkv", layers, qkv_cost(m, s, w)},
      {"rope", layers, rope_cost(m, s, w)},
      {"attention", layers, prefill_attention_cost(m, s, 0, w)},
      {"o", layers, o_cost(m, s, w)},
      {"dense mlp", d(m.dense_layers), mlp_cost(m, s, d(m.dense_ffn), w)},
      {"lm_head", 1, lm_head_cost(m, 1, w)},
  };
  if (m.experts > 0) {
    const double touched = expected_experts(s, d(m.experts), d(m.top_k));
    parts.push_back({"router", moe, router_cost(m, s, w)});
    parts.push_back({"gate_up", moe, gate_up_cost(m, s, touched, w)});
    parts.push_back({"down", moe, down_cost(m, s, touched, w)});
    parts.push_back({"shared expert", moe, mlp_cost(m, s, d(m.expert_ffn), w)});
  }
  return parts;
}

std::vector<PassPart> decode_parts(const PublishedModel& m, double sequences, double context, Widths w) {
  std::vector<PassPart> parts = prefill_parts(m, sequences, w);
  for (PassPart& part : parts) {
    if (part.name == "attention") part.cost = sequences * decode_attention_cost(m, context, w);
    if (part.name == "lm_head") part.cost = lm_head_cost(m, sequences, w);
  }
  return parts;
}

Cost total(const std::vector<PassPart>& parts) {
  Cost sum;
  for (const PassPart& part : parts) sum += part.count * part.cost;
  return sum;
}

}  // namespace glmv::bench
