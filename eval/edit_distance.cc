#include "eval/edit_distance.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "eval/text.h"

namespace glmv {
namespace {

using Word = uint64_t;
constexpr size_t kBits = 64;

/// For every code point of a text, the set of its places as bits.
class Places {
 public:
  explicit Places(const std::u32string& text) : words_((text.size() + kBits - 1) / kBits), none_(words_, 0) {
    for (size_t i = 0; i < text.size(); ++i) {
      std::vector<Word>& bits = of_.try_emplace(text[i], words_, 0).first->second;
      bits[i / kBits] |= Word{1} << (i % kBits);
    }
  }
  size_t words() const { return words_; }
  const std::vector<Word>& of(char32_t c) const {
    const auto found = of_.find(c);
    return found == of_.end() ? none_ : found->second;
  }

 private:
  size_t words_;
  std::vector<Word> none_;
  std::unordered_map<char32_t, std::vector<Word>> of_;
};

void cut_common_ends(std::u32string& a, std::u32string& b) {
  const auto front = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto n = front.first - a.begin();
  a.erase(a.begin(), a.begin() + n);
  b.erase(b.begin(), b.begin() + n);
  const auto back = std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  const auto m = static_cast<size_t>(back.first - a.rbegin());
  a.resize(a.size() - m);
  b.resize(b.size() - m);
}

}  // namespace

/// Myers' bit-vector algorithm (1999) in the block form of Hyyrö (2003): a column of the table as vertical differences,
/// one bit each, and the lowest row's value beside.
size_t edit_distance(std::string_view text_a, std::string_view text_b) {
  std::u32string a = py::decode(text_a), b = py::decode(text_b);
  cut_common_ends(a, b);
  if (a.empty() || b.empty()) return a.size() + b.size();
  const Places places(a);
  std::vector<Word> up(places.words(), ~Word{0}), down(places.words(), 0);  // +1 and -1 going one row down
  size_t distance = a.size();
  const Word last = Word{1} << ((a.size() - 1) % kBits);
  for (const char32_t c : b) {
    const std::vector<Word>& equal = places.of(c);
    Word carry_up = 1, carry_down = 0;  // the first row grows by one with every column
    for (size_t w = 0; w < places.words(); ++w) {
      const Word seen = equal[w] | carry_down;
      const Word vertical = equal[w] | down[w];
      const Word diagonal = (((seen & up[w]) + up[w]) ^ up[w]) | seen;
      Word right_up = down[w] | ~(diagonal | up[w]), right_down = up[w] & diagonal;
      if (w + 1 == places.words()) {
        distance += (right_up & last) != 0 ? 1 : 0;
        distance -= (right_down & last) != 0 ? 1 : 0;
      }
      const Word next_up = right_up >> (kBits - 1), next_down = right_down >> (kBits - 1);
      right_up = (right_up << 1) | carry_up;
      right_down = (right_down << 1) | carry_down;
      up[w] = right_down | ~(vertical | right_up);
      down[w] = right_up & vertical;
      carry_up = next_up, carry_down = next_down;
    }
  }
  return distance;
}

/// Bit-parallel as well (Crochemore and others, 2001): zeros of `open` count the length.
size_t common_subsequence(std::string_view text_a, std::string_view text_b) {
  const std::u32string a = py::decode(text_a), b = py::decode(text_b);
  if (a.empty()) return 0;
  const Places places(a);
  std::vector<Word> open(places.words(), ~Word{0});
  for (const char32_t c : b) {
    const std::vector<Word>& equal = places.of(c);
    Word carry = 0;
    for (size_t w = 0; w < places.words(); ++w) {
      const Word hit = open[w] & equal[w];
      const Word sum = open[w] + hit;
      const Word with_carry = sum + carry;
      const Word next = (sum < open[w] || with_carry < sum) ? 1 : 0;
      open[w] = with_carry | (open[w] & ~equal[w]);
      carry = next;
    }
  }
  size_t length = 0;
  for (size_t i = 0; i < a.size(); ++i) length += (open[i / kBits] >> (i % kBits) & 1) == 0 ? 1 : 0;
  return length;
}

}  // namespace glmv
