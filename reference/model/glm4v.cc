#include "reference/model/glm4v.h"

#include <algorithm>
#include <numeric>

#include "reference/core/compare.h"
#include "reference/core/rows.h"
#include "reference/sample.h"
#include "reference/splice.h"

namespace glmv {
namespace {

using Clock = std::chrono::steady_clock;

int64_t since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

/// Pictures' rows first, then clips' rows; one of the two may be empty.
Tensor all_pixels(const Prompt& p) {
  if (!p.pixel_values_videos) return p.pixel_values;
  if (!p.pixel_values) return p.pixel_values_videos;
  const int64_t images = p.pixel_values.view.dim[0], videos = p.pixel_values_videos.view.dim[0];
  Tensor all(DType::f32, {images + videos, p.pixel_values.view.dim[1]});
  convert(p.pixel_values.view, slice(all.view, 0, 0, images));
  convert(p.pixel_values_videos.view, slice(all.view, 0, images, images + videos));
  return all;
}

/// For feature i (pictures first): which visual token of the prompt, counted in prompt order, it belongs to.
std::vector<int32_t> prompt_order(const Prompt& p) {
  std::vector<int32_t> order;
  for (int64_t type : {1, 2}) {
    int32_t visual = 0;
    for (int64_t t : p.types) {
      if (t == type) order.push_back(visual);
      if (t != 0) ++visual;
    }
  }
  return order;
}

/// Logits that are no numbers come from weights that are none, or from an overflow. Looking through the weights reads
/// all of them, so it is done only now.
[[noreturn]] void refuse_logits(const Model& model, int64_t tokens) {
  for (const std::string& name : model.checkpoint.names()) {
    const ConstTensorView weight = model.checkpoint.get(name);
    const int64_t at = first_not_finite(weight);
    if (at < 0) continue;
    float value = 0;
    load_row(static_cast<const char*>(weight.data) + at * static_cast<int64_t>(size_of(weight.dtype)), weight.dtype, 1,
             &value);
    input_error(model.checkpoint.file_of(name), ": tensor ", name, index_text(weight, at), " is ", value,
                ", and so the logits are not finite");
  }
  input_error(model.dir, ": the logits after ", tokens, " tokens are not finite numbers, though all weights are");
}

}  // namespace

Model Model::open(const std::string& model) {
  Model m;
  m.dir = resolve_model(model);
  m.config = read_config(m.dir);
  m.checkpoint = Checkpoint::open(m.dir);
  m.weights = load_weights(m.config, m.checkpoint);
  return m;
}

namespace {

const Backend& that_computes(const Backend& backend, DType activation) {
  if (activation == DType::f64 && backend.space != Space::host)
    usage_error("backend ", backend.name, " computes in f32 and bf16; f64 is the reference's alone");
  return backend;
}

}  // namespace

Session::Session(const Model& model, const Backend& backend, const SessionOptions& options)
    : model_(model),
      backend_(that_computes(backend, options.activation)),
      options_(options),
      weights_(model.weights, backend),
      arena_(backend),
      visual_memory_(backend),
      cache_(backend, model.config.text, options.activation,
             options.page_size > 0 ? (options.max_tokens + options.page_size - 1) / options.page_size : 1,
             options.page_size > 0 ? options.page_size : options.max_tokens) {}

void Session::encode_visuals(const Prompt& prompt) {
  std::vector<Grid> grids = prompt.image_grids;
  grids.insert(grids.end(), prompt.video_grids.begin(), prompt.video_grids.end());
  if (grids.empty()) return;
  const ArenaScope scope(arena_);
  Context ctx = context();
  const Tensor pixels = all_pixels(prompt);
  const TensorView out =
      vision_tower(ctx, model_.config, weights_.weights().vision, pixels.view, grids, options_.activation);
  features_ = visual_memory_.make(out.dtype, {out.dim[0], out.dim[1]});
  ctx.ops().splice({upload(ctx, prompt_order(prompt)), out, features_}, ctx.exec);
  backend_.sync(ctx.exec.stream);
}

int64_t Session::pass(const std::vector<int32_t>& ids, const std::vector<std::array<int32_t, 3>>& positions,
                      const std::vector<int32_t>& visual_rows, int64_t first_feature, bool all_logits,
                      const std::map<int64_t, Tensor>* forced_ids) {
  const ArenaScope scope(arena_);
  Context ctx = context();
  Batch batch;
  batch.add(sequence_, cache_, ids, positions);
  batch.visual_rows = visual_rows;
  batch.first_feature = first_feature;
  batch.forced_ids = forced_ids;
  batch.logit_rows = {static_cast<int32_t>(ids.size()) - 1};
  if (all_logits) {
    batch.logit_rows.resize(ids.size());
    std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
  }
  Step step = upload(ctx, batch);
  const TensorView x = embed(ctx, weights_.weights(), batch, step, features_, options_.activation);
  const TensorView logits = decode(ctx, model_.config, weights_.weights(), cache_, batch, step, x);
  const TensorView last = slice(logits, 0, logits.dim[0] - 1, logits.dim[0]);
  backend_.sync(ctx.exec.stream);
  last_logits_ = to_host(backend_, reshape(last, {last.dim[1]}), DType::f64);
  if (first_not_finite(last_logits_.view) >= 0) refuse_logits(model_, sequence_.length);
  const TensorView next = ctx.arena.make(DType::i32, {1});
  ctx.ops().sample({last, next}, ctx.exec);
  backend_.sync(ctx.exec.stream);
  return static_cast<int64_t>(*to_host(backend_, next).data<int32_t>());
}

int64_t Session::prefill(const Prompt& prompt, const std::map<int64_t, Tensor>* forced_ids) {
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  if (tokens == 0) input_error("the prompt has no tokens");
  if (tokens > options_.max_tokens) input_error("the prompt has ", tokens, " tokens, the cache ", options_.max_tokens);
  auto start = Clock::now();
  encode_visuals(prompt);
  timings_.vision_ns += since(start);

  start = Clock::now();
  const bool all_logits = options_.probe != nullptr && options_.probe->wants("logits");
  const int64_t chunk = options_.chunk > 0 ? options_.chunk : tokens;
  int64_t next = 0, features_used = 0;
  for (int64_t begin = 0; begin < tokens; begin += chunk) {
    const auto end = static_cast<size_t>(std::min(tokens, begin + chunk));
    std::vector<int32_t> ids, visual_rows;
    for (auto t = static_cast<size_t>(begin); t < end; ++t) {
      if (prompt.types[t] != 0) visual_rows.push_back(static_cast<int32_t>(ids.size()));
      ids.push_back(static_cast<int32_t>(prompt.ids[t]));
    }
    const std::vector<std::array<int32_t, 3>> positions(prompt.positions.of_token.begin() + begin,
                                                        prompt.positions.of_token.begin() + static_cast<int64_t>(end));
    next = pass(ids, positions, visual_rows, features_used, all_logits, forced_ids);
    features_used += static_cast<int64_t>(visual_rows.size());
  }
  sequence_.rope_delta = prompt.positions.rope_delta;
  timings_.prefill_ns += since(start);
  return next;
}

int64_t Session::step(int64_t token, const std::map<int64_t, Tensor>* forced_ids) {
  if (sequence_.length >= options_.max_tokens) input_error("the cache is full at ", sequence_.length, " tokens");
  const auto start = Clock::now();
  const auto at = static_cast<int32_t>(sequence_.length + sequence_.rope_delta);
  const int64_t next = pass({static_cast<int32_t>(token)}, {{at, at, at}}, {}, 0, false, forced_ids);
  timings_.decode_ns += since(start);
  return next;
}

}  // namespace glmv
