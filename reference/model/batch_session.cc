#include "reference/model/batch_session.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "reference/core/rows.h"
#include "reference/model/visuals.h"
#include "reference/sample.h"

namespace glmv {
namespace {

/// Adds the time of a scope.
class Timed {
 public:
  explicit Timed(int64_t& ns) : ns_(ns), start_(Clock::now()) {}
  ~Timed() { ns_ += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count(); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  int64_t& ns_;
  Clock::time_point start_;
};

/// Pages of a sequence, and tokens of a page.
struct Paging {
  int64_t pages, page_size;
  explicit Paging(const SessionOptions& o)
      : pages(o.page_size > 0 ? (o.max_tokens + o.page_size - 1) / o.page_size : 1),
        page_size(o.page_size > 0 ? o.page_size : o.max_tokens) {}
};

const SessionOptions& that_fit(const SessionOptions& options, const Backend& backend) {
  if (options.activation == DType::f64 && backend.space != Space::host)
    usage_error("backend ", backend.name, " computes in f32 and bf16; f64 is the reference's alone");
  GLMV_CHECK(options.sequences >= 1, options.sequences, " sequences");
  return options;
}

}  // namespace

Batch batch_of(const Prompt& prompt, int64_t begin, int64_t end, CachedSequence& sequence, KvCache& cache) {
  Batch batch;
  std::vector<int32_t> ids;
  for (auto t = static_cast<size_t>(begin); t < static_cast<size_t>(end); ++t) {
    if (prompt.types[t] != 0) batch.visual_rows.push_back(static_cast<int32_t>(ids.size()));
    ids.push_back(static_cast<int32_t>(prompt.ids[t]));
  }
  const auto first = prompt.positions.of_token.begin();
  batch.add(sequence, cache, ids, {first + begin, first + end});
  return batch;
}

BatchSession::BatchSession(const Model& model, DeviceWeights::Shared weights, const SessionOptions& options)
    : model_(model),
      weights_(std::move(weights)),
      backend_(weights_->backend()),
      options_(that_fit(options, backend_)),
      dry_(dry_backend(backend_)),
      graphs_(backend_, options.graphs && options.probe == nullptr),
      constants_(backend_),
      arena_(backend_),
      visual_memory_(backend_),
      cache_(backend_, model.config.text, options.activation, options.sequences * Paging(options).pages,
             Paging(options).page_size),
      state_(context(constants_), options.sequences, Paging(options).pages) {
  text_rope_basis(context(constants_), model.config.text, rope_);
}

size_t BatchSession::cache_bytes(const ModelConfig& config, const SessionOptions& o) {
  return KvCache::bytes_for(config.text, o.activation, o.sequences * Paging(o).pages, Paging(o).page_size);
}

Context BatchSession::context(Arena& arena) {
  return {backend_, arena, Exec{graphs_.stream(), {}, options_.reduction, &arena}, options_.probe};
}

BatchSession::Row& BatchSession::row_of(int64_t sequence) {
  const auto at = std::find_if(rows_.begin(), rows_.end(), [&](const Row& r) { return r.sequence == sequence; });
  GLMV_CHECK(at != rows_.end(), "no sequence ", sequence, " is live");
  return *at;
}

/// Room in the arena for a pass, taken before anything of it is launched. On the host memory comes as it is touched.
void BatchSession::reserve(const std::function<void(const Context&)>& pass) {
  if (backend_.space == Space::host) return;
  const size_t bytes = bytes_of_pass(dry_, [&](Arena& arena) {
    pass({dry_, arena, Exec{{}, {}, options_.reduction, &arena}});
  });
  if (arena_.has(bytes)) return;
  check_memory(backend_, bytes, "the activations of a pass");
  arena_.reserve(bytes);
}

// ---- Prompts

void BatchSession::choose_logit_rows(Batch& batch) const {
  batch.logit_rows = {static_cast<int32_t>(batch.ids.size()) - 1};
  if (options_.probe == nullptr || !options_.probe->wants("logits")) return;
  batch.logit_rows.resize(batch.ids.size());
  std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
}

/// Logits [logit_rows, V].
TensorView BatchSession::prefill_pass(const Context& ctx, const Batch& batch, const TensorView& features) {
  Step step = upload(ctx, batch);
  step.inv_freq = rope_.inv_freq, step.axis = rope_.axis;
  const Weights& weights = weights_->weights();
  const TensorView x = embed(ctx, weights, batch, step, features, options_.activation);
  return decode(ctx, model_.config, weights, cache_, batch, step, x);
}

int32_t BatchSession::first_token(Batch& batch, const TensorView& features) {
  choose_logit_rows(batch);
  const auto pass = [&](const Context& ctx) {
    const ArenaScope scope(ctx.arena);
    const TensorView logits = prefill_pass(ctx, batch, features);
    logits_ = slice(logits, 0, logits.dim[0] - 1, logits.dim[0]);
    const TensorView next = ctx.arena.make(DType::i32, {1});
    ctx.ops().sample({logits_, next}, ctx.exec);
    return next;
  };
  reserve(pass);
  const TensorView next = pass(context(arena_));
  backend_.sync(graphs_.stream());
  return *to_host(backend_, next).data<int32_t>();
}

int64_t BatchSession::run_prompt(const Prompt& prompt, Row& row, const ForcedIds* forced_ids) {
  TensorView features;
  {
    const Timed timed(timings_.vision_ns);
    const VisionWeights& tower = weights_->weights().vision;
    reserve(
        [&](const Context& ctx) { encode_visuals(ctx, model_.config, tower, prompt, options_.activation, ctx.arena); });
    features = encode_visuals(context(arena_), model_.config, tower, prompt, options_.activation, visual_memory_);
    if (features) backend_.sync(graphs_.stream());
  }
  const Timed timed(timings_.prefill_ns);
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  const int64_t chunk = options_.chunk > 0 ? options_.chunk : tokens;
  int32_t next = 0;
  int64_t features_used = 0;
  for (int64_t begin = 0; begin < tokens; begin += chunk) {
    Batch batch = batch_of(prompt, begin, std::min(tokens, begin + chunk), row.cached, cache_);
    batch.first_feature = features_used;
    batch.forced_ids = forced_ids;
    next = first_token(batch, features);
    features_used += static_cast<int64_t>(batch.visual_rows.size());
  }
  row.cached.rope_delta = prompt.positions.rope_delta;
  return next;
}

int64_t BatchSession::add(const Prompt& prompt, const ForcedIds* forced_ids) {
  const auto tokens = static_cast<int64_t>(prompt.ids.size());
  if (tokens == 0) input_error("the prompt has no tokens");
  if (tokens > options_.max_tokens) input_error("the prompt has ", tokens, " tokens, the cache ", options_.max_tokens);
  if (live() == options_.sequences) input_error("there is room for ", options_.sequences, " sequences at once");
  read_tokens();
  for (Row& other : rows_) other.logits_row = -1;
  const ArenaScope features(visual_memory_);
  Row row;
  row.sequence = next_sequence_++;
  try {
    tokens_.push_back(static_cast<int32_t>(run_prompt(prompt, row, forced_ids)));
  } catch (...) {
    row.cached.leave(cache_);
    throw;
  }
  row.logits_row = 0;
  rows_.push_back(std::move(row));
  rows_changed_ = pages_changed_ = true;
  return rows_.back().sequence;
}

// ---- Steps

int64_t BatchSession::pages_in_plan() const {
  size_t most = 1;
  for (const Row& row : rows_) most = std::max(most, row.cached.pages.size());
  int64_t power = 1;  // a graph for each power of two, not for each page
  while (power < static_cast<int64_t>(most)) power *= 2;
  return std::min(power, state_.pages());
}

/// What the device cannot know: who is there, and pages that were taken.
void BatchSession::write_state() {
  for (Row& row : rows_) {
    if (row.cached.length >= options_.max_tokens) input_error("the cache is full at ", row.cached.length, " tokens");
    pages_changed_ = row.cached.extend(cache_) || pages_changed_;
  }
  const Context ctx = context(arena_);
  if (rows_changed_) {
    std::vector<DecodeRow> values;
    for (size_t b = 0; b < rows_.size(); ++b) {
      const CachedSequence& s = rows_[b].cached;
      values.push_back({tokens_[b], static_cast<int32_t>(s.length + s.rope_delta - 1), static_cast<int32_t>(s.length)});
    }
    state_.write_rows(ctx, values);
  }
  if (pages_changed_) {
    std::vector<const std::vector<int32_t>*> pages;
    for (const Row& row : rows_) pages.push_back(&row.cached.pages);
    state_.write_pages(ctx, pages);
  }
  rows_changed_ = pages_changed_ = false;
}

/// From the state of the step before to the next tokens, all of it on the stream. Returns the logits [live, V].
TensorView BatchSession::decode_pass(const Context& ctx, int64_t pages, const ForcedIds* forced_ids) {
  const ArenaScope scope(ctx.arena);
  Batch batch;
  batch.ids.resize(rows_.size());  // only their number counts: the tokens are on the device
  batch.logit_rows.resize(rows_.size());
  batch.forced_ids = forced_ids;
  Step step = state_.step(live(), pages);
  step.inv_freq = rope_.inv_freq, step.axis = rope_.axis;
  ctx.ops().advance(state_.advance(live(), pages, cache_.page_size()), ctx.exec);
  const TensorView x = embed(ctx, weights_->weights(), batch, step, {}, options_.activation);
  const TensorView logits = decode(ctx, model_.config, weights_->weights(), cache_, batch, step, x);
  ctx.ops().sample({logits, state_.next(live())}, ctx.exec);
  return logits;
}

void BatchSession::step(const ForcedIds* forced_ids) {
  if (rows_.empty()) return;
  const Timed timed(timings_.decode_ns);
  write_state();
  const int64_t pages = pages_in_plan();
  const auto pass = [&] { return decode_pass(context(arena_), pages, forced_ids); };
  if (graphs_.is_new({live(), pages})) reserve([&](const Context& ctx) { decode_pass(ctx, pages, forced_ids); });
  logits_ = forced_ids == nullptr ? graphs_.run({live(), pages}, pass) : pass();
  for (size_t b = 0; b < rows_.size(); ++b) {
    ++rows_[b].cached.length;
    rows_[b].logits_row = static_cast<int64_t>(b);
  }
  tokens_known_ = false;
}

// ---- What the host wants to know

void BatchSession::read_tokens() {
  if (tokens_known_) return;
  const Timed timed(timings_.decode_ns);
  backend_.sync(graphs_.stream());
  const Tensor next = to_host(backend_, state_.next(live()));
  tokens_.assign(next.data<int32_t>(), next.data<int32_t>() + live());
  tokens_known_ = true;
}

void BatchSession::feed(int64_t sequence, int64_t token) {
  read_tokens();
  int32_t& newest = tokens_[static_cast<size_t>(&row_of(sequence) - rows_.data())];
  rows_changed_ = rows_changed_ || newest != token;
  newest = static_cast<int32_t>(token);
}

int64_t BatchSession::token(int64_t sequence) {
  read_tokens();
  const Row& row = row_of(sequence);
  const int32_t newest = tokens_[static_cast<size_t>(&row - rows_.data())];
  if (newest < 0) refuse_logits(model_, row.cached.length);
  return newest;
}

Tensor BatchSession::logits(int64_t sequence) {
  const Row& row = row_of(sequence);
  GLMV_CHECK(row.logits_row >= 0, "the logits of sequence ", sequence, " are gone: another pass has run");
  backend_.sync(graphs_.stream());
  const TensorView one = slice(logits_, 0, row.logits_row, row.logits_row + 1);
  Tensor values = to_host(backend_, reshape(one, {one.dim[1]}), DType::f64);
  if (first_not_finite(values.view) >= 0) refuse_logits(model_, row.cached.length);
  return values;
}

void BatchSession::finish(int64_t sequence) {
  read_tokens();
  Row& row = row_of(sequence);
  const auto at = static_cast<size_t>(&row - rows_.data());
  row.cached.leave(cache_);
  std::swap(row, rows_.back());
  std::swap(tokens_[at], tokens_.back());
  rows_.pop_back();
  tokens_.pop_back();
  rows_changed_ = pages_changed_ = true;
}

}  // namespace glmv
