#include "eval/score_code.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "eval/assignment.h"
#include "eval/sequence_matcher.h"
#include "eval/text.h"

namespace glmv {
namespace {

using Blocks = std::vector<PageBlock>;
using Pairs = std::vector<std::pair<size_t, size_t>>;

constexpr double kBonusFrom = -0.5;       // only costs below get the context bonus
constexpr double kMergeFrom = 0.05;       // a merge must improve the mean cost by more
constexpr double kContextBonus = 0.1;     // of the final matching
constexpr double kLeastSimilarity = 0.5;  // pairs below are dropped

/// Minus the similarity of the texts.
Costs text_costs(const Blocks& a, const Blocks& b) {
  Costs costs{a.size(), b.size(), std::vector<double>(a.size() * b.size())};
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < b.size(); ++j) costs.at(i, j) = -sequence_matcher_ratio(a[i].text, b[j].text);
  }
  return costs;
}

/// The sum of the two lowest of the up to eight costs around (i, j).
double best_neighbours(const Costs& costs, size_t i, size_t j) {
  constexpr size_t kMost = 2;
  std::vector<double> around;
  for (size_t r = i == 0 ? 0 : i - 1; r < std::min(costs.rows, i + 2); ++r) {
    for (size_t c = j == 0 ? 0 : j - 1; c < std::min(costs.columns, j + 2); ++c) {
      if (r != i || c != j) around.push_back(costs.at(r, c));
    }
  }
  std::sort(around.begin(), around.end());
  double sum = 0;
  for (size_t k = 0; k < std::min(kMost, around.size()); ++k) sum += around[k];
  return sum;
}

Costs with_context(const Costs& costs, double bonus) {
  Costs out = costs;
  for (size_t i = 0; i < costs.rows; ++i) {
    for (size_t j = 0; j < costs.columns; ++j) {
      if (costs.at(i, j) < kBonusFrom) out.at(i, j) += bonus * best_neighbours(costs, i, j);
    }
  }
  return out;
}

std::vector<double> matched_costs(const Blocks& a, const Blocks& b) {
  const Costs costs = text_costs(a, b);
  std::vector<double> out;
  for (const auto& [i, j] : cheapest_assignment(costs)) out.push_back(costs.at(i, j));
  return out;
}

double mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return x.empty() ? 0 : sum / static_cast<double>(x.size());
}

/// What `before` has more often than `after`, in order of value.
std::vector<double> without_common(std::vector<double> before, std::vector<double> after) {
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  std::vector<double> rest;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(rest));
  return rest;
}

/// How much lower the mean cost became, over the costs that changed; no gain if the lowest did not fall as well.
double improvement(const std::vector<double>& before, const std::vector<double>& after) {
  const std::vector<double> old_costs = without_common(before, after), new_costs = without_common(after, before);
  const double gain = mean(old_costs) - mean(new_costs);
  if (gain <= 0 || old_costs.empty() || new_costs.empty()) return std::min(gain, 0.0);
  return old_costs.front() > new_costs.front() ? gain : 0;
}

/// Texts joined, boxes covered, colours averaged and rounded down.
PageBlock merged(const PageBlock& a, const PageBlock& b) {
  PageBlock out;
  out.text = a.text + " " + b.text;
  for (size_t k = 0; k < 2; ++k) {
    out.box[k] = std::min(a.box[k], b.box[k]);
    out.box[k + 2] = std::max(a.box[k] + a.box[k + 2], b.box[k] + b.box[k + 2]) - out.box[k];
  }
  for (size_t k = 0; k < 3; ++k) out.color[k] = std::floor((a.color[k] + b.color[k]) / 2);
  return out;
}

struct Merge {
  size_t first;  ///< with the block behind it
  double gain;
};

/// Applies the merges of largest gain that do not touch one another.
void apply(Blocks& blocks, std::vector<Merge> merges) {
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& x, const Merge& y) { return x.gain > y.gain; });
  std::vector<bool> touched(blocks.size(), false);
  std::vector<size_t> gone;
  for (const Merge& m : merges) {
    if (touched[m.first] || touched[m.first + 1]) continue;
    touched[m.first] = touched[m.first + 1] = true;
    blocks[m.first] = merged(blocks[m.first], blocks[m.first + 1]);
    gone.push_back(m.first + 1);
  }
  std::sort(gone.rbegin(), gone.rend());
  for (const size_t i : gone) blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(i));
}

/// Merges neighbours of one page that make the matching cheaper. `costs_of` matches a version of it with the other
/// page.
template <class CostsOf>
bool merge_neighbours(Blocks& blocks, std::vector<double>& current, CostsOf costs_of) {
  std::vector<Merge> merges;
  for (size_t i = 0; i + 1 < blocks.size(); ++i) {
    Blocks trial = blocks;
    trial[i] = merged(trial[i], trial[i + 1]);
    trial.erase(trial.begin() + static_cast<std::ptrdiff_t>(i + 1));
    const double gain = improvement(current, costs_of(trial));
    if (gain > kMergeFrom) merges.push_back({i, gain});
  }
  if (merges.empty()) return false;
  apply(blocks, std::move(merges));
  current = costs_of(blocks);
  return true;
}

void merge_until_stable(Blocks& a, Blocks& b) {
  for (bool changed = true; changed;) {
    std::vector<double> current = matched_costs(a, b);
    changed = merge_neighbours(a, current, [&](const Blocks& trial) { return matched_costs(trial, b); });
    changed |= merge_neighbours(b, current, [&](const Blocks& trial) { return matched_costs(a, trial); });
  }
}

/// Blocks of one page with the same box become one.
Blocks with_distinct_boxes(const Blocks& blocks) {
  Blocks out;
  std::map<std::array<double, 4>, size_t> place;
  for (const PageBlock& block : blocks) {
    const auto [found, is_new] = place.try_emplace(block.box, out.size());
    if (is_new) {
      out.push_back(block);
      continue;
    }
    PageBlock& first = out[found->second];
    first.text += " " + block.text;
    for (size_t k = 0; k < 3; ++k) first.color[k] = (first.color[k] + block.color[k]) / 2;
  }
  return out;
}

double area(const PageBlock& block) { return block.box[2] * block.box[3]; }

double position_similarity(const PageBlock& a, const PageBlock& b) {
  const auto distance = [&](size_t k) { return std::abs(a.box[k] + a.box[k + 2] / 2 - b.box[k] - b.box[k + 2] / 2); };
  return 1 - std::max(distance(0), distance(1));
}

BlockScores scores_of(const Blocks& a, const Blocks& b, const Pairs& pairs) {
  BlockScores s;
  double all = 0, matched = 0;
  for (const Blocks* page : {&a, &b}) {
    for (const PageBlock& block : *page) all += area(block);
  }
  for (const auto& [i, j] : pairs) {
    const double similarity = sequence_matcher_ratio(a[i].text, b[j].text);
    if (similarity < kLeastSimilarity) continue;
    ++s.matched;
    matched += area(a[i]) + area(b[j]);
    s.text += similarity;
    s.position += position_similarity(a[i], b[j]);
    s.color += ciede2000_similarity(a[i].color, b[j].color);
  }
  if (s.matched == 0) return s;
  s.block = all == 0 ? 0 : matched / all;
  for (double* sum : {&s.text, &s.position, &s.color}) *sum /= s.matched;
  return s;
}

}  // namespace

BlockScores design2code_blocks(Blocks predicted, Blocks reference) {
  Blocks a = with_distinct_boxes(predicted), b = with_distinct_boxes(reference);
  if (a.empty() || b.empty()) return {};
  merge_until_stable(a, b);
  return scores_of(a, b, cheapest_assignment(with_context(text_costs(a, b), kContextBonus)));
}

std::string design2code_cleanup(std::string_view response) {
  constexpr std::string_view kFence = "```", kHtml = "html", kDoctype = "<!DOCTYPE", kEnd = "</html>";
  if (response.starts_with(kFence)) response = py::strip(response.substr(kFence.size()));
  if (response.ends_with(kFence)) response = py::strip(response.substr(0, response.size() - kFence.size()));
  if (response.starts_with(kHtml)) response = py::strip(response.substr(kHtml.size()));
  const size_t begin = response.find(kDoctype);
  if (begin != std::string_view::npos) response.remove_prefix(begin);
  const size_t end = response.find(kEnd);
  if (end != std::string_view::npos) response = response.substr(0, end + kEnd.size());
  return std::string(response);
}

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  if (n - c < k) return 1;
  double miss = 1;
  for (int64_t i = n - c + 1; i <= n; ++i) miss *= 1 - static_cast<double>(k) / static_cast<double>(i);
  return 1 - miss;
}

}  // namespace glmv
