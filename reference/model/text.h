// The text decoder: embeddings in, logits out.
#pragma once

#include "data/config.h"
#include "reference/core/probe.h"
#include "reference/model/batch.h"
#include "reference/model/weights.h"

namespace glmv {

/// One decoder layer and where it stands.
struct TextLayer {
  const ModelConfig& config;
  const TextLayerWeights& w;
  int64_t index;
  TensorView k_pages, v_pages;  ///< of this layer's cache
};

/// x [T, H] -> x after the layer, in place. Keys and values of this step go into the cache.
void decoder_layer(const Context& ctx, const TextLayer& layer, const Batch& batch, const Step& step,
                   const TensorView& x);

/// Its two branches, each from a normalised h [T, H] to what is added to the residual stream: a new [T, H].
/// `at` is the trace name of the branch: "model.language_model.layers.0.self_attn".
TensorView self_attention(const Context& ctx, const TextLayer& layer, const Step& step, const TensorView& h,
                          const std::string& at);
TensorView moe(const Context& ctx, const TextLayer& layer, const Batch& batch, const TensorView& h,
               const std::string& at);

/// Makes step.inv_freq and step.axis, which are the same for every step: a session does so once.
void text_rope_basis(const Context& ctx, const TextConfig& config, Step& step);

/// Fills step.cos and step.sin [T, R/2] for the step's positions.
void text_rope_table(const Context& ctx, const TextConfig& config, DType activation, Step& step);

/// Token embeddings with visual features spliced in: a new [T, H].
TensorView embed(const Context& ctx, const Weights& weights, const Batch& batch, const Step& step,
                 const ConstTensorView& features, DType activation);

/// x [T, H] behind the last layer -> logits [logit_rows, V]: the final norm, then the head.
TensorView output_head(const Context& ctx, const ModelConfig& config, const Weights& weights, const Batch& batch,
                       const Step& step, const TensorView& x);

/// All layers, final norm and head. x [T, H] is overwritten. Result [logit_rows, V].
TensorView decode(const Context& ctx, const ModelConfig& config, const Weights& weights, const KvCache& cache,
                  const Batch& batch, Step& step, const TensorView& x);

}  // namespace glmv
