#include "bench/stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "reference/core/error.h"
#include "reference/core/quantile.h"

namespace glmv::bench {

double quantile(std::vector<double> values, double q) {
  GLMV_CHECK(!values.empty(), "a quantile of nothing");
  std::sort(values.begin(), values.end());
  return quantile_of_sorted(values, q);
}

namespace {

/// How often each U comes up among all ways to put na of na + nb ranks into the first sample: coefficients of the
/// Gaussian binomial, ways[i][u] for i ranks of the first sample among those seen so far.
double share_of_u_up_to(size_t na, size_t nb, size_t u) {
  std::vector<std::vector<double>> ways(na + 1, std::vector<double>(na * nb + 1, 0));
  ways[0][0] = 1;
  for (size_t rank = 0; rank < na + nb; ++rank) {
    for (size_t i = std::min(rank + 1, na); i > 0; --i) {
      const size_t below = rank + 1 - i;  // of the second sample, if this rank is the i-th of the first
      if (below > nb) continue;
      for (size_t v = below; v <= na * nb; ++v) ways[i][v] += ways[i - 1][v - below];
    }
  }
  double all = 0, up_to = 0;
  for (size_t v = 0; v <= na * nb; ++v) {
    all += ways[na][v];
    if (v <= u) up_to += ways[na][v];
  }
  return up_to / all;
}

constexpr size_t kExact = 20;  // samples on a side up to which chances are counted, not approximated

}  // namespace

double least_p(size_t na, size_t nb) {
  if (na == 0 || nb == 0) return 1;
  const auto n = static_cast<double>(na), m = static_cast<double>(nb);
  return std::min(1.0, 2 * std::exp(std::lgamma(n + 1) + std::lgamma(m + 1) - std::lgamma(n + m + 1)));
}

double mann_whitney(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty() || b.empty()) return 1;
  std::vector<std::pair<double, bool>> all;
  for (const double x : a) all.emplace_back(x, true);
  for (const double x : b) all.emplace_back(x, false);
  std::sort(all.begin(), all.end());
  const auto na = static_cast<double>(a.size()), nb = static_cast<double>(b.size()), n = na + nb;
  double ranks = 0, ties = 0;
  for (size_t i = 0; i < all.size();) {
    size_t end = i;
    while (end < all.size() && all[end].first == all[i].first) ++end;
    const double rank = static_cast<double>(i + end + 1) / 2, count = static_cast<double>(end - i);
    for (size_t j = i; j < end; ++j) ranks += all[j].second ? rank : 0;
    ties += count * count * count - count;
    i = end;
  }
  const double u = ranks - na * (na + 1) / 2, mean = na * nb / 2;
  if (ties == 0 && std::max(a.size(), b.size()) <= kExact)
    return std::min(1.0, 2 * share_of_u_up_to(a.size(), b.size(), static_cast<size_t>(std::min(u, na * nb - u))));
  const double variance = na * nb / 12 * (n + 1 - ties / (n * (n - 1)));
  if (!(variance > 0)) return 1;
  const double z = std::max(std::abs(u - mean) - 0.5, 0.0) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p[i] < p[j]; });
  std::vector<double> out(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, static_cast<double>(p.size() - i) * p[order[i]]);
    out[order[i]] = std::min(largest, 1.0);
  }
  return out;
}

std::vector<double> pooled(const Rounds& rounds) {
  std::vector<double> all;
  for (const auto& round : rounds) all.insert(all.end(), round.begin(), round.end());
  return all;
}

namespace {

double resampled_median(const Rounds& rounds, std::mt19937_64& random) {
  std::vector<double> drawn;
  for (size_t i = 0; i < rounds.size(); ++i) {
    const auto& round = rounds[random() % rounds.size()];
    for (size_t j = 0; j < round.size(); ++j) drawn.push_back(round[random() % round.size()]);
  }
  return median(std::move(drawn));
}

}  // namespace

Interval ratio_interval(const Rounds& a, const Rounds& b, double level) {
  std::mt19937_64 random(1);
  std::vector<double> ratios;
  for (int i = 0; i < 1000; ++i) {
    const double of_a = resampled_median(a, random);
    ratios.push_back(resampled_median(b, random) / of_a);
  }
  return {quantile(ratios, (1 - level) / 2), quantile(ratios, (1 + level) / 2)};
}

}  // namespace glmv::bench
