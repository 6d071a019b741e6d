#include "eval/sequence_matcher.h"

#include <string>
#include <unordered_map>
#include <vector>

#include "eval/text.h"

namespace glmv {
namespace {

constexpr size_t kPopularFrom = 200;  // lengths from which frequent code points are left out

struct Range {
  size_t a_begin, a_end, b_begin, b_end;
};
struct Block {
  size_t a, b, length;
};

class Matcher {
 public:
  Matcher(std::string_view a, std::string_view b) : a_(py::decode(a)), b_(py::decode(b)), length_to_(b_.size() + 1, 0) {
    for (size_t j = 0; j < b_.size(); ++j) places_[b_[j]].push_back(j);
    if (b_.size() < kPopularFrom) return;
    const size_t most = b_.size() / 100 + 1;
    std::erase_if(places_, [&](const auto& entry) { return entry.second.size() > most; });
  }

  /// Code points in matching blocks.
  size_t matches() {
    size_t total = 0;
    std::vector<Range> open{{0, a_.size(), 0, b_.size()}};
    while (!open.empty()) {
      const Range r = open.back();
      open.pop_back();
      const Block m = longest(r);
      if (m.length == 0) continue;
      total += m.length;
      if (r.a_begin < m.a && r.b_begin < m.b) open.push_back({r.a_begin, m.a, r.b_begin, m.b});
      const size_t a_next = m.a + m.length, b_next = m.b + m.length;
      if (a_next < r.a_end && b_next < r.b_end) open.push_back({a_next, r.a_end, b_next, r.b_end});
    }
    return total;
  }
  size_t total() const { return a_.size() + b_.size(); }

 private:
  /// The longest block of code points that are looked for, the first of several, grown by equal neighbours.
  Block longest(const Range& r) {
    Block best{r.a_begin, r.b_begin, 0};
    std::vector<std::pair<size_t, size_t>> row, written;  // (j + 1, length of the run that ends at b[j])
    for (size_t i = r.a_begin; i < r.a_end; ++i) {
      row.clear();
      if (const auto found = places_.find(a_[i]); found != places_.end()) {
        for (const size_t j : found->second) {
          if (j < r.b_begin) continue;
          if (j >= r.b_end) break;
          const size_t length = length_to_[j] + 1;
          row.emplace_back(j + 1, length);
          if (length > best.length) best = {i + 1 - length, j + 1 - length, length};
        }
      }
      for (const auto& entry : written) length_to_[entry.first] = 0;
      for (const auto& entry : row) length_to_[entry.first] = entry.second;
      written.swap(row);
    }
    for (const auto& entry : written) length_to_[entry.first] = 0;
    return grown(best, r);
  }

  Block grown(Block m, const Range& r) const {
    while (m.a > r.a_begin && m.b > r.b_begin && a_[m.a - 1] == b_[m.b - 1]) --m.a, --m.b, ++m.length;
    while (m.a + m.length < r.a_end && m.b + m.length < r.b_end && a_[m.a + m.length] == b_[m.b + m.length]) ++m.length;
    return m;
  }

  std::u32string a_, b_;
  std::unordered_map<char32_t, std::vector<size_t>> places_;
  std::vector<size_t> length_to_;  ///< [j + 1]: run of equal code points that ends at b[j] and the last a; kept zero
};

}  // namespace

double sequence_matcher_ratio(std::string_view a, std::string_view b) {
  Matcher matcher(a, b);
  if (matcher.total() == 0) return 1;
  return 2.0 * static_cast<double>(matcher.matches()) / static_cast<double>(matcher.total());
}

}  // namespace glmv
