#include "reference/model/continuation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace glmv {
namespace {

/// Largest minus second largest.
double margin(const Tensor& logits) {
  double first = -std::numeric_limits<double>::infinity(), second = first;
  const auto* x = logits.data<double>();
  for (int64_t i = 0; i < logits.view.dim[0]; ++i) {
    if (x[i] > first) {
      second = first;
      first = x[i];
    } else {
      second = std::max(second, x[i]);
    }
  }
  return first - second;
}

TokenLogprobs logprobs_of(const Tensor& logits, int64_t taken, int64_t alternatives) {
  const auto* x = logits.data<double>();
  const int64_t n = logits.view.dim[0];
  const double largest = *std::max_element(x, x + n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - largest);
  const double normaliser = largest + std::log(sum);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + std::min(alternatives, n);
  std::partial_sort(order.begin(), end, order.end(),
                    [&](int64_t a, int64_t b) { return x[a] != x[b] ? x[a] > x[b] : a < b; });
  TokenLogprobs out{x[taken] - normaliser, {}};
  for (auto at = order.begin(); at != end; ++at) out.top.emplace_back(*at, x[*at] - normaliser);
  return out;
}

bool contains(const std::vector<int64_t>& ids, int64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

ThinkingBudget::ThinkingBudget(const ThinkTokens& tokens, std::optional<int64_t> most,
                               const std::vector<int64_t>& prompt_ids)
    : tokens_(tokens), most_(most) {
  if (!most_) return;
  if (tokens_.begin < 0 || tokens_.end.empty()) usage_error("a thinking budget needs a tokenizer with <think>");
  // A <think> in an earlier turn is history.
  const auto last_turn = std::find(prompt_ids.rbegin(), prompt_ids.rend(), tokens_.turn).base();
  for (auto id = last_turn; id != prompt_ids.end(); ++id) took(*id);
}

std::optional<int64_t> ThinkingBudget::forced() const {
  if (!most_) return std::nullopt;
  if (ending_ > 0 && ending_ < tokens_.end.size()) return tokens_.end[ending_];
  if (open_ && used_ >= *most_) return tokens_.end[0];
  return std::nullopt;
}

void ThinkingBudget::took(int64_t id) {
  if (!most_) return;
  if (forced() == id) {
    ++ending_;
    open_ = false;
  } else if (id == tokens_.begin) {
    open_ = true;
  } else if (id == tokens_.end[0]) {
    open_ = false;
  } else if (open_) {
    ++used_;
  }
}

Continuation::Continuation(const Prompt& prompt, const ModelConfig& config, const GenerationSettings& settings,
                           const GenerateOptions& options)
    : config_(config),
      settings_(settings),
      options_(options),
      sampler_(settings, prompt.ids, config.text.vocab_size),
      budget_(options.think, settings.thinking_budget, prompt.ids) {
  check(settings, "");
  if (options.tokenizer != nullptr) stream_.emplace(*options.tokenizer, settings.stop);
  if (!stream_ && !settings.stop.empty()) usage_error("a stop string needs a tokenizer");
}

bool Continuation::wants_logits() const {
  return options_.margins || settings_.samples() || settings_.repetition_penalty != 1 || settings_.logprobs >= 0;
}

int64_t Continuation::choose(int64_t greedy, const Tensor& logits) {
  if (const std::optional<int64_t> forced = budget_.forced()) {
    ++out_.forced;
    return *forced;
  }
  if (settings_.samples() || settings_.repetition_penalty != 1) return sampler_.choose(logits);
  return greedy;
}

void Continuation::add_text(const std::string& text) {
  out_.text += text;
  if (!text.empty() && options_.on_text) options_.on_text(text);
}

int64_t Continuation::take(int64_t greedy, const Tensor& logits) {
  const int64_t token = choose(greedy, logits);
  budget_.took(token);
  sampler_.took(token);
  out_.ids.push_back(token);
  if (options_.margins) out_.margins.push_back(margin(logits));
  if (settings_.logprobs >= 0) out_.logprobs.push_back(logprobs_of(logits, token, settings_.logprobs));
  if (contains(config_.eos_token_ids, token) && !options_.ignore_eos) {
    out_.finish_reason = "stop";
    return token;
  }
  if (stream_) add_text(stream_->push(token));
  if (options_.on_token && !options_.on_token(token)) {
    cancel();
  } else if (stream_ && !stream_->stopped_by().empty()) {
    out_.finish_reason = "stop";
    out_.stop_string = stream_->stopped_by();
  } else if (static_cast<int64_t>(out_.ids.size()) == settings_.max_new_tokens) {
    out_.finish_reason = "length";
  }
  return token;
}

Generation Continuation::result() {
  if (stream_) add_text(stream_->finish());
  return std::move(out_);
}

}  // namespace glmv
