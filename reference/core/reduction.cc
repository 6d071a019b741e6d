#include "reference/core/reduction.h"

#include <algorithm>
#include <numeric>

namespace glmv {
namespace {

using Place = std::vector<int32_t>::iterator;

/// Fisher-Yates with a linear congruential generator (Knuth's MMIX constants), the same on every machine.
void shuffle(Place begin, Place end, uint64_t state) {
  for (auto left = static_cast<uint64_t>(end - begin); left > 1; --left) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::iter_swap(begin + static_cast<int64_t>(left - 1), begin + static_cast<int64_t>((state >> 33) % left));
  }
}

std::vector<int32_t> make_order(Reduction reduction, int64_t n) {
  std::vector<int32_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t first = 0; first < n; first += kOrderBlock) {
    const Place begin = order.begin() + first, end = order.begin() + std::min(first + kOrderBlock, n);
    if (reduction == Reduction::reversed) std::reverse(begin, end);
    if (reduction >= Reduction::shuffled_a) {
      shuffle(begin, end, static_cast<uint64_t>(reduction) << 32 | static_cast<uint64_t>(first));
    }
  }
  return order;
}

}  // namespace

const char* words_for(Reduction reduction) {
  switch (reduction) {
    case Reduction::blocked: return "summing block by block";
    case Reduction::eigen: return "Eigen's order of summation";
    case Reduction::sequential: return "summing first to last";
    case Reduction::reversed: return "summing last to first";
    case Reduction::signs_apart: return "signs summed apart";
    case Reduction::shuffled_a: return "summing in a random order";
    case Reduction::shuffled_b: return "summing in a second random order";
    case Reduction::shuffled_c: return "summing in a third random order";
  }
  return "";
}

std::vector<Reduction> legal_reductions(int64_t width) {
  using enum Reduction;
  if (width >= kShortRow) return {blocked, eigen, sequential, reversed, signs_apart};
  return {blocked, eigen, sequential, reversed, signs_apart, shuffled_a, shuffled_b, shuffled_c};
}

const std::vector<int32_t>& summation_order(Reduction reduction, int64_t n) {
  thread_local std::vector<int32_t> order;
  thread_local Reduction order_reduction = Reduction::blocked;
  if (order_reduction != reduction || static_cast<int64_t>(order.size()) != n) {
    order = make_order(reduction, n);
    order_reduction = reduction;
  }
  return order;
}

}  // namespace glmv
