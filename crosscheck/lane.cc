// Start at Lane::run() and Lane::at_point().
#include "crosscheck/lane.h"

#include <cmath>
#include <functional>
#include <numeric>

#include "crosscheck/judge.h"
#include "crosscheck/stages.h"
#include "reference/core/splitmix.h"
#include "reference/model/batch_session.h"
#include "reference/model/visuals.h"
#include "reference/moe_route.h"
#include "reference/splice.h"

namespace glmv {
namespace {

constexpr std::string_view kIds = ".topk_ids", kTopkWeights = ".topk_weights", kLogits = ".logits";

TextConfig one_layer(TextConfig config) {
  config.num_layers = 1;
  return config;
}

/// The memory that the forward pass has lent to the probe: it goes on with what is there afterwards.
TensorView writable(const ConstTensorView& v) {
  TensorView w;
  w.data = const_cast<void*>(v.data);  // NOLINT(cppcoreguidelines-pro-type-const-cast): activations, not weights
  w.dtype = v.dtype, w.space = v.space, w.rank = v.rank;
  for (int i = 0; i < v.rank; ++i) w.dim[i] = v.dim[i], w.stride[i] = v.stride[i];
  return w;
}

/// Moves every value by at most half an ulp of `stored`: what it may have been before it was stored.
void jitter(const std::string& name, DType stored, const TensorView& values) {
  SplitMix64 random(std::hash<std::string>{}(name));
  auto* value = static_cast<double*>(values.data);
  for (int64_t i = 0; i < values.size(); ++i) {
    const double share = static_cast<double>(random.next() >> 11) * 0x1p-53 - 0.5;
    value[i] += share * ulp_at(stored, value[i]);
  }
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// [n, n] with ones on the diagonal: a router whose logits are its input.
Tensor identity(int64_t n) {
  Tensor t(DType::f32, {n, n});
  for (int64_t i = 0; i < n; ++i) t.data<float>()[i * n + i] = 1;
  return t;
}

}  // namespace

Lane::Lane(const Model& model, const Theirs& theirs, const Script& script, const Backend& backend,
           const LaneOptions& options)
    : model_(model),
      theirs_(theirs),
      script_(script),
      backend_(backend),
      options_(options),
      kept_(backend),
      arena_(backend),
      cache_(backend, one_layer(model.config.text), options.activation, 1,
             static_cast<int64_t>(script.prompt.ids.size() + script.tokens.size())) {
  probe_.wants = [](std::string_view) { return true; };  // no fused op may go past a point of theirs
  probe_.record = [this](std::string_view point, const ConstTensorView& value) { at_point(point, value); };
  make_passes();
}

void Lane::make_passes() {
  const auto tokens = static_cast<int64_t>(script_.prompt.ids.size());
  Step basis;
  text_rope_basis(context(kept_), model_.config.text, basis);
  for (size_t i = 0; i <= script_.tokens.size(); ++i) {
    Pass pass;
    if (i == 0) {
      pass.batch = batch_of(script_.prompt, 0, tokens, sequence_, cache_);
    } else {
      const auto at = static_cast<int32_t>(sequence_.length + script_.prompt.positions.rope_delta);
      pass.batch.add(sequence_, cache_, {static_cast<int32_t>(script_.tokens[i - 1])}, {{at, at, at}});
    }
    pass.batch.logit_rows.resize(pass.batch.ids.size());
    std::iota(pass.batch.logit_rows.begin(), pass.batch.logit_rows.end(), 0);
    if (i < script_.forced.size() && !script_.forced[i].empty()) pass.batch.forced_ids = &script_.forced[i];
    pass.step = upload(context(kept_), pass.batch);
    pass.step.inv_freq = basis.inv_freq, pass.step.axis = basis.axis;
    passes_.push_back(std::move(pass));
  }
}

void Lane::run(const Segment& segment) {
  const ArenaScope scope(arena_);
  pass_ = 0;
  switch (segment.kind) {
    case Segment::Kind::patches: return run_patches();
    case Segment::Kind::block:
      return vision_block(context(arena_), model_.config.vision,
                          model_.weights.vision.blocks[static_cast<size_t>(segment.index)], segment.index, patches_,
                          patch_rows_);
    case Segment::Kind::merger: return run_merger();
    case Segment::Kind::embedding: return run_embedding();
    case Segment::Kind::layer: return run_layer(segment.index);
    case Segment::Kind::head: return run_head();
  }
}

void Lane::run_patches() {
  const VisionConfig& config = model_.config.vision;
  patches_ = patch_step(context(kept_), config, visual_grids(script_.prompt));
  const TensorView x = embed_patches(context(arena_), config, model_.weights.vision, visual_pixels(script_.prompt).view,
                                     patches_, options_.activation);
  patch_rows_ = kept_.make(x.dtype, {x.dim[0], x.dim[1]});
  convert(x, patch_rows_);
}

void Lane::run_merger() {
  const Context ctx = context(arena_);
  const TensorView out = finish_tower(ctx, model_.config.vision, model_.weights.vision, patch_rows_);
  features_ = kept_.make(out.dtype, {out.dim[0], out.dim[1]});
  ctx.ops().splice({upload(ctx, visual_order(script_.prompt)), out, features_}, ctx.exec);
}

void Lane::run_embedding() {
  for (Pass& pass : passes_) {
    pass_ = &pass - passes_.data();
    const Context ctx = context(kept_);
    pass.x = embed(ctx, model_.weights, pass.batch, pass.step, features_, options_.activation);
    text_rope_table(ctx, model_.config.text, options_.activation, pass.step);
  }
}

void Lane::run_layer(int64_t index) {
  layer_ = index;
  const TextLayer layer{model_.config, model_.weights.layers[static_cast<size_t>(index)], index, cache_.k(0),
                        cache_.v(0)};
  for (Pass& pass : passes_) {
    pass_ = &pass - passes_.data();
    decoder_layer(context(arena_), layer, pass.batch, pass.step, pass.x);
  }
}

void Lane::run_head() {
  for (Pass& pass : passes_) {
    pass_ = &pass - passes_.data();
    const ArenaScope scope(arena_);
    output_head(context(arena_), model_.config, model_.weights, pass.batch, pass.step, pass.x);
  }
}

bool Lane::is_needed(const std::string& name) const {
  if (theirs_.points.count(name) > 0) return true;
  if (!ends_with(name, kLogits) || split_layer(split_step(name).point).layer < 0) return false;
  const std::string gate = name.substr(0, name.size() - kLogits.size());
  return theirs_.points.count(concat(gate, kIds)) > 0;
}

void Lane::at_point(std::string_view point, const ConstTensorView& value) {
  const std::string name = join_step(pass_, point);
  if (is_needed(name)) recorded_.add(name, to_host(backend_, value));
  if (ends_with(name, kTopkWeights)) choose_from_their_logits(name.substr(0, name.size() - kTopkWeights.size()), value);
  put_theirs(name, value);
}

void Lane::put_theirs(const std::string& name, const ConstTensorView& value) const {
  const auto found = theirs_.points.find(name);
  if (found == theirs_.points.end()) return;
  const std::optional<Placement> place = placement(split_step(name).point, found->second, value);
  if (!place) return;
  const TensorView to = slice(writable(value), 0, place->first_row, value.dim[0]);
  if (!options_.jitter) return convert(place->theirs, to);
  Tensor moved(DType::f64, place->theirs);
  convert(place->theirs, moved.view);
  jitter(name, found->second.dtype, moved.view);
  convert(moved.view, to);
}

void Lane::choose_from_their_logits(const std::string& gate, const ConstTensorView& weights) {
  const auto found = theirs_.points.find(concat(gate, kLogits));
  const TextConfig& c = model_.config.text;
  const int64_t tokens = weights.dim[0], experts = c.num_experts;
  if (found == theirs_.points.end() || !is_float(found->second.dtype) || found->second.rank != 2 ||
      found->second.dim[0] != tokens || found->second.dim[1] != experts)
    return;
  Tensor x(weights.dtype, {tokens, experts}), logits(weights.dtype, x.view), weight(weights.dtype, weights);
  Tensor ids(DType::i32, weights), moved(DType::f64, x.view);
  convert(found->second, moved.view);
  const DType stored = coarser(DType::f32, found->second.dtype);
  for (int64_t i = 0; i < x.view.size(); ++i)
    moved.data<double>()[i] += options_.nudge * ulp_at(stored, moved.data<double>()[i]);
  convert(moved.view, x.view);
  const Batch& batch = passes_[static_cast<size_t>(pass_)].batch;
  ConstTensorView forced;
  if (batch.forced_ids != nullptr && batch.forced_ids->count(layer_) > 0) forced = batch.forced_ids->at(layer_).view;
  const Tensor same = identity(experts);
  Weight router;
  router.data = same.view;
  const MoeWeights& w = model_.weights.layers[static_cast<size_t>(layer_)].moe;
  const Context ctx = context(arena_);
  ctx.ops().moe_route({x.view, router, w.correction_bias.data, c.n_group, c.topk_group, c.norm_topk_prob,
                       c.routed_scaling_factor, forced, logits.view, ids.view, weight.view},
                      ctx.exec);
  from_logits_.add(concat(gate, kLogits), logits);
  from_logits_.add(concat(gate, kIds), ids);
  from_logits_.add(concat(gate, kTopkWeights), weight);
}

}  // namespace glmv
