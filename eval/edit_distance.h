// Levenshtein distance and the similarity built on it.
#pragma once

#include <cstddef>
#include <string_view>

namespace glmv {

/// Fewest insertions, deletions and replacements of code points that turn `a` into `b`.
/// Cost  O(|a|·|b| / 64) time, O(|a|) memory
size_t edit_distance(std::string_view a, std::string_view b);

/// Length of the longest common subsequence, in code points.
size_t common_subsequence(std::string_view a, std::string_view b);

}  // namespace glmv
