#include "reference/core/procedural.h"

#include <algorithm>

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

uint64_t fnv1a(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

/// The top 24 bits of splitmix64's output, as a fraction.
double unit(uint64_t h, uint64_t i) {
  uint64_t z = h + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) * 0x1p-24;
}

void fill(std::string_view name, const Procedural& law, const TensorView& out, DType stored) {
  GLMV_CHECK(is_float(out.dtype) && out.space == Space::host && out.contiguous(), "procedural values into ", out);
  constexpr int64_t kBlock = 4096;
  const uint64_t h = fnv1a(name);
  parallel_for((out.size() + kBlock - 1) / kBlock, 16 * kBlock, [&](int64_t block) {
    const int64_t begin = block * kBlock, n = std::min(kBlock, out.size() - begin);
    double values[kBlock];
    for (int64_t i = 0; i < n; ++i) {
      const double value = law.offset + law.scale * (2 * unit(h, static_cast<uint64_t>(begin + i)) - 1);
      values[i] = static_cast<double>(round_to(stored, static_cast<float>(value)));
    }
    store_row(values, n, out.dtype, static_cast<char*>(out.data) + begin * static_cast<int64_t>(size_of(out.dtype)));
  });
}

}  // namespace

void fill_procedural(std::string_view name, const Procedural& law, const TensorView& out) {
  fill(name, law, out, DType::f32);
}

void fill_procedural_bf16(std::string_view name, const Procedural& law, const TensorView& out) {
  fill(name, law, out, DType::bf16);
}

}  // namespace glmv
