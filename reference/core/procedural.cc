#include "reference/core/procedural.h"

#include <algorithm>

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {
uint64_t procedural_hash(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

void fill_procedural_as(std::string_view name, const Procedural& law, DType rounded_to, const TensorView& out,
                        int64_t first) {
  GLMV_CHECK(is_float(out.dtype) && out.space == Space::host && out.contiguous(), "procedural values into ", out);
  constexpr int64_t kBlock = 4096;
  const uint64_t h = procedural_hash(name);
  parallel_for((out.size() + kBlock - 1) / kBlock, 16 * kBlock, [&](int64_t block) {
    const int64_t begin = block * kBlock, n = std::min(kBlock, out.size() - begin);
    double values[kBlock];
    for (int64_t i = 0; i < n; ++i) {
      const double u = procedural_unit(h, static_cast<uint64_t>(first + begin + i));
      const double value = law.offset + law.scale * (2 * u - 1);
      values[i] = static_cast<double>(round_to(rounded_to, static_cast<float>(value)));
    }
    store_row(values, n, out.dtype, static_cast<char*>(out.data) + begin * static_cast<int64_t>(size_of(out.dtype)));
  });
}

void fill_procedural(std::string_view name, const Procedural& law, const TensorView& out) {
  fill_procedural_as(name, law, DType::f32, out);
}

void fill_procedural_bf16(std::string_view name, const Procedural& law, const TensorView& out) {
  fill_procedural_as(name, law, DType::bf16, out);
}

}  // namespace glmv
