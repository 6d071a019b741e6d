// What the kernels of a GLM-V text decoder and vision tower cost at least, and what a whole step does.
//
// The formulas count every operand once; the experts' count the experts that are touched.
#pragma once

#include <string>
#include <vector>

#include "reference/core/cost.h"
#include "reference/core/published.h"

namespace glmv::bench {

/// Distinct experts that `tokens` tokens with `k` choices of `experts` touch if every expert is as likely as another.
double expected_experts(double tokens, double experts, double k);

// Kernels of one layer, `t` tokens.
Cost rms_cost(const PublishedModel& m, double t, Widths w = {});  ///< with the residual's sum
Cost qkv_cost(const PublishedModel& m, double t, Widths w = {});
Cost rope_cost(const PublishedModel& m, double t, Widths w = {});  ///< on its own: reads and writes all of q, k and v
Cost prefill_attention_cost(const PublishedModel& m, double s, double past, Widths w = {});
Cost decode_attention_cost(const PublishedModel& m, double context, Widths w = {});  ///< one sequence, cache written
Cost o_cost(const PublishedModel& m, double t, Widths w = {});
Cost router_cost(const PublishedModel& m, double t, Widths w = {});
Cost gate_up_cost(const PublishedModel& m, double t, double touched, Widths w = {});
Cost down_cost(const PublishedModel& m, double t, double touched, Widths w = {});  ///< with the weighted sum
Cost combine_cost(const PublishedModel& m, double t, Widths w = {});          ///< on its own: 8 rows and the shared one
Cost mlp_cost(const PublishedModel& m, double t, double ffn, Widths w = {});  ///< shared expert, dense layer
Cost lm_head_cost(const PublishedModel& m, double t, Widths w = {});          ///< f32 logits, weights always 16 bits
Cost sampling_cost(const PublishedModel& m, double t);

// The vision tower, `n` patches.
Cost vision_product_cost(double rows, double n, double k);
Cost vision_attention_cost(const PublishedVision& v, double patches);

/// Bytes a decode step must read: every weight that is touched and the cache, of `sequences` sequences.
double decode_step_bytes(const PublishedModel& m, double sequences, double context, Widths w = {});

/// Parameters of text decoder and vision tower, and bytes a token leaves in the cache.
double parameters(const PublishedModel& m, const PublishedVision& v);
double cache_bytes_per_token(const PublishedModel& m, Widths w = {});

/// One kernel of a whole pass: how often it runs and what one run costs.
struct PassPart {
  std::string name;
  double count = 1;
  Cost cost;
};
/// A prompt of `s` tokens, logits of the last one.
std::vector<PassPart> prefill_parts(const PublishedModel& m, double s, Widths w = {});
/// One token of each of `sequences` sequences.
std::vector<PassPart> decode_parts(const PublishedModel& m, double sequences, double context, Widths w = {});
Cost total(const std::vector<PassPart>& parts);

}  // namespace glmv::bench
