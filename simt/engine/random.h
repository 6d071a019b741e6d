// The seeded random numbers of Order::random: the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace glmv::simt {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  /// A number in [0, n).
  size_t below(size_t n) {
    state_ += 0x9e3779b97f4a7c15u;  // the step of a Weyl sequence; the mixing below makes its bits look random
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
  }

 private:
  uint64_t state_;
};

}  // namespace glmv::simt
