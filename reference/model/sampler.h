// Choosing a token by chance: the Hugging Face library's logits processors in its order, then one uniform draw.
#pragma once

#include <random>
#include <vector>

#include "data/settings.h"
#include "reference/core/arena.h"

namespace glmv {

/// Scores of all tokens, f32 as in the library; minus infinity = ruled out.
using Scores = std::vector<float>;

// One function per processor; ties and boundaries are decided as the library decides them on the CPU.

/// `seen`: tokens of the prompt and of the answer so far.
void penalise_repetition(Scores& scores, const std::vector<bool>& seen, double penalty);
void divide_by_temperature(Scores& scores, double temperature);
/// Tokens equal to the k-th stay too.
void keep_top_k(Scores& scores, int64_t k);
/// From the least likely token up, those go whose probabilities sum to at most 1 - p; of equal ones the lower id first
/// (the library leaves that to a sort that is not stable).
void keep_top_p(Scores& scores, double p);
void keep_min_p(Scores& scores, double p);

/// softmax in f64; ruled-out tokens have 0.
std::vector<double> probabilities(const Scores& scores);

/// The lowest id up to which more than the share u of the probability lies, 0 <= u < 1: probabilities rounded to f32,
/// as the library has them, and summed in f64.
int64_t pick(const Scores& scores, double u);

/// The draws of a seed: the numbers that torch.rand(n, dtype=torch.float64) gives after torch.manual_seed(seed).
class UniformDraws {
 public:
  explicit UniformDraws(uint64_t seed) : engine_(static_cast<uint32_t>(seed)) {}
  double next();

 private:
  std::mt19937 engine_;
};

/// Chooses the tokens of one sequence.
class Sampler {
 public:
  Sampler(const GenerationSettings& settings, const std::vector<int64_t>& prompt_ids, int64_t vocabulary);
  /// Scores after all processors, from logits f64 [V] on the host.
  Scores process(const Tensor& logits) const;
  /// One draw, or at temperature 0 the largest score; the lowest id of equal ones.
  int64_t choose(const Tensor& logits);
  /// Tells it a token of the answer, chosen here or not.
  void took(int64_t id);

 private:
  GenerationSettings settings_;
  std::vector<bool> seen_;
  UniformDraws draws_;
};

}  // namespace glmv
