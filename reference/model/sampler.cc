// The library computes all of this in f32, so each number is rounded to f32 where it has one; sums are carried in f64,
// as torch's are on the CPU.
#include "reference/model/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace glmv {
namespace {

constexpr float kRuledOut = -std::numeric_limits<float>::infinity();

}  // namespace

void penalise_repetition(Scores& scores, const std::vector<bool>& seen, double penalty) {
  const auto by = static_cast<float>(penalty);
  for (size_t id = 0; id < scores.size(); ++id) {
    if (seen[id]) scores[id] = scores[id] < 0 ? scores[id] * by : scores[id] / by;
  }
}

void divide_by_temperature(Scores& scores, double temperature) {
  const auto by = static_cast<float>(temperature);
  for (float& score : scores) score /= by;
}

void keep_top_k(Scores& scores, int64_t k) {
  const size_t kept = std::min(static_cast<size_t>(k), scores.size());
  Scores sorted = scores;
  const auto kth = sorted.begin() + static_cast<std::ptrdiff_t>(kept) - 1;
  std::nth_element(sorted.begin(), kth, sorted.end(), std::greater<>());
  const float least = *kth;
  for (float& score : scores) {
    if (score < least) score = kRuledOut;
  }
}

void keep_top_p(Scores& scores, double p) {
  const std::vector<double> share = probabilities(scores);
  std::vector<size_t> order;
  for (size_t id = 0; id < scores.size(); ++id) {
    if (scores[id] != kRuledOut) order.push_back(id);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  const auto limit = static_cast<float>(1 - p);
  double sum = 0;
  for (size_t i = 0; i + 1 < order.size(); ++i) {  // the most likely one stays in any case
    sum += static_cast<float>(share[order[i]]);
    if (static_cast<float>(sum) > limit) return;
    scores[order[i]] = kRuledOut;
  }
}

void keep_min_p(Scores& scores, double p) {
  const std::vector<double> share = probabilities(scores);
  const auto top = std::max_element(share.begin(), share.end());
  const float least = static_cast<float>(p) * static_cast<float>(*top);
  for (size_t id = 0; id < scores.size(); ++id) {
    const bool is_top = id == static_cast<size_t>(top - share.begin());
    if (!is_top && static_cast<float>(share[id]) < least) scores[id] = kRuledOut;
  }
}

std::vector<double> probabilities(const Scores& scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  std::vector<double> share(scores.size());
  double sum = 0;
  for (size_t id = 0; id < scores.size(); ++id) sum += share[id] = std::exp(scores[id] - largest);
  for (double& x : share) x /= sum;
  return share;
}

int64_t pick(const Scores& scores, double u) {
  const std::vector<double> share = probabilities(scores);
  const std::vector<float> rounded(share.begin(), share.end());
  const double target = u * std::accumulate(rounded.begin(), rounded.end(), 0.0);
  double sum = 0;
  size_t last = 0;
  for (size_t id = 0; id < rounded.size() && sum <= target; ++id) {
    if (rounded[id] == 0) continue;
    last = id;
    sum += rounded[id];
  }
  return static_cast<int64_t>(last);
}

double UniformDraws::next() {
  const uint64_t high = engine_(), low = engine_();
  constexpr uint64_t kMantissa = (uint64_t{1} << 53) - 1;
  return static_cast<double>(((high << 32) | low) & kMantissa) * 0x1p-53;
}

Sampler::Sampler(const GenerationSettings& settings, const std::vector<int64_t>& prompt_ids, int64_t vocabulary)
    : settings_(settings), seen_(static_cast<size_t>(vocabulary)), draws_(settings.seed) {
  for (const int64_t id : prompt_ids) took(id);
}

void Sampler::took(int64_t id) {
  if (id >= 0 && static_cast<size_t>(id) < seen_.size()) seen_[static_cast<size_t>(id)] = true;
}

Scores Sampler::process(const Tensor& logits) const {
  GLMV_CHECK(logits.view.size() == static_cast<int64_t>(seen_.size()), logits.view, ", vocabulary ", seen_.size());
  const auto* x = logits.data<double>();
  Scores scores(x, x + logits.view.size());
  if (settings_.repetition_penalty != 1) penalise_repetition(scores, seen_, settings_.repetition_penalty);
  if (!settings_.samples()) return scores;
  if (settings_.temperature != 1) divide_by_temperature(scores, settings_.temperature);
  if (!std::isfinite(*std::max_element(scores.begin(), scores.end())))
    usage_error("temperature ", settings_.temperature, " and repetition_penalty ", settings_.repetition_penalty,
                " leave no score that f32 can hold");
  if (settings_.top_k != 0) keep_top_k(scores, settings_.top_k);
  if (settings_.top_p < 1) keep_top_p(scores, settings_.top_p);
  if (settings_.min_p > 0) keep_min_p(scores, settings_.min_p);
  return scores;
}

int64_t Sampler::choose(const Tensor& logits) {
  const Scores scores = process(logits);
  if (settings_.samples()) return pick(scores, draws_.next());
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

}  // namespace glmv
