#include "eval/python_random.h"

#include <array>
#include <bit>
#include <sstream>

#include "reference/core/error.h"

namespace glmv::py {
namespace {

constexpr size_t kWords = std::mt19937::state_size;
using State = std::array<uint32_t, kWords>;

/// The generator's own seeding from one number, then init_by_array with the seed as its only key word (Matsumoto and
/// Nishimura, 2002). The standard library has no door to the latter.
State seeded(uint32_t key) {
  State s{};
  s[0] = 19650218u;
  for (size_t i = 1; i < kWords; ++i) s[i] = 1812433253u * (s[i - 1] ^ (s[i - 1] >> 30)) + static_cast<uint32_t>(i);
  size_t i = 1;
  const auto next = [&] {
    if (++i == kWords) s[0] = s[kWords - 1], i = 1;
  };
  for (size_t k = 0; k < kWords; ++k, next()) s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1664525u)) + key;
  for (size_t k = 1; k < kWords; ++k, next())
    s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1566083941u)) - static_cast<uint32_t>(i);
  s[0] = 0x80000000u;
  return s;
}

}  // namespace

Random::Random(uint32_t seed) {
  std::stringstream text;  // the one way to set an engine's state
  for (const uint32_t word : seeded(seed)) text << word << ' ';
  text << kWords;  // all words are used up: the next call makes new ones
  text >> engine_;
  GLMV_CHECK(!text.fail(), "state of the engine");
}

size_t Random::choice(size_t n) {
  GLMV_CHECK(n > 0 && n < (size_t{1} << 31), "choice of ", n);
  const int bits = std::bit_width(n);
  for (;;) {
    const size_t drawn = engine_() >> (32 - bits);
    if (drawn < n) return drawn;
  }
}

}  // namespace glmv::py
