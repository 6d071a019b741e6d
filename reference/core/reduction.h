// Legal orders of summation: what the noise of a result is measured with.
#pragma once

#include <cstdint>
#include <vector>

namespace glmv {

/// How the reference adds up products, and which exponential it uses. All are legal; how far they part is measured
/// noise.
enum class Reduction : unsigned char {
  blocked,      ///< core/matmul: blocks of k, the same for every number of rows and threads
  eigen,        ///< the plain Eigen product; elsewhere eight sums side by side
  sequential,   ///< first to last, product and sum rounded apart
  reversed,     ///< last to first
  signs_apart,  ///< positive and negative products apart, then their sums: partial sums as large as they can get; the
                ///< exponential is a GPU's fast one
  shuffled_a,   ///< as sequential, but in an order drawn once
  shuffled_b,   ///< in another one
  shuffled_c,   ///< and another
};

/// "summing last to first" and the like, for people.
const char* words_for(Reduction reduction);

/// Rows of fewer elements are short.
constexpr int64_t kShortRow = 256;

/// The reductions whose runs make up the noise of rows of `width` elements. The errors of a short row are few, and the
/// largest of few says little: there more runs are drawn.
std::vector<Reduction> legal_reductions(int64_t width);

/// Orders other than blocked and eigen work through k in blocks of this length, as matrix libraries do.
constexpr int64_t kOrderBlock = 256;

/// The indices 0 .. n-1 as `reduction` adds them up: block after block, each in its order. Valid until the thread asks
/// for another one.
const std::vector<int32_t>& summation_order(Reduction reduction, int64_t n);

}  // namespace glmv
