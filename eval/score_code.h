// Design2Code's scores of text blocks, its colour distance, and pass@k.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// A text block of a rendered page.
struct PageBlock {
  std::string text;
  std::array<double, 4> box{};    ///< x, y, width, height as fractions of the page
  std::array<double, 3> color{};  ///< sRGB, 0 to 255
};

struct BlockScores {
  double block = 0;     ///< matched area over all area
  double text = 0;      ///< mean ratio of matched texts
  double position = 0;  ///< mean of 1 - the larger distance of centres
  double color = 0;     ///< mean ciede2000_similarity
  int matched = 0;
};
/// Merges neighbouring blocks while that helps, matches both pages and compares the pairs (Design2Code's metric without
/// its CLIP part).
BlockScores design2code_blocks(std::vector<PageBlock> predicted, std::vector<PageBlock> reference);

/// 1 - CIEDE2000 / 100, at least 0. sRGB from 0 to 255, D65.
double ciede2000_similarity(const std::array<double, 3>& rgb1, const std::array<double, 3>& rgb2);

/// The page in a reply: without code fences, from <!DOCTYPE to </html>.
std::string design2code_cleanup(std::string_view response);

/// Chance that one of k draws out of n, c of them right, is right.
double pass_at_k(int64_t n, int64_t c, int64_t k);

}  // namespace glmv
