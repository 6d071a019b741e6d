#include "reference/pos_embed_taps.h"

#include <algorithm>
#include <cmath>

namespace glmv {

void check(const PosEmbedTapsArgs& a) {
  const int64_t patches = a.positions.dim[1];
  GLMV_CHECK(a.positions.dtype == DType::i32 && a.positions.rank == 2 && a.positions.dim[0] == 2, a.positions);
  GLMV_CHECK(a.extents.dtype == DType::i32 && a.extents.rank == 2 && a.extents.dim[1] == patches, a.extents);
  GLMV_CHECK(a.side >= 1, "side ", a.side);
  for (const TensorView& v : {a.index_y, a.index_x, a.weight_y, a.weight_x}) {
    GLMV_CHECK(v.rank == 2 && v.dim[0] == patches && v.dim[1] == 4, v, " for ", patches, " patches");
  }
}

namespace ref {
namespace {

constexpr float A = -0.75f;

/// The kernel's two polynomials, for |x| <= 1 and 1 < |x| < 2: rounded at every step, and with fused multiply-adds.
float near(float x, bool fused) {
  return fused ? std::fma(std::fma(A + 2, x, -(A + 3)) * x, x, 1.0f) : ((A + 2) * x - (A + 3)) * x * x + 1;
}
float far(float x, bool fused) {
  return fused ? std::fma(std::fma(std::fma(A, x, -5 * A), x, 8 * A), x, -4 * A)
               : ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
}

/// The four weights at fraction t in [0, 1) between the second and the third tap.
void cubic_weights(float t, bool fused, float* w) {
  w[0] = far(t + 1, fused);
  w[1] = near(t, fused);
  w[2] = near(1 - t, fused);
  w[3] = far(2 - t, fused);
}

/// Where a compiler may have made one multiply-add of two operations: the library's builds differ in it.
struct Fused {
  bool coordinate = false, weights = false;
};

/// What the legal runs take, so that each kind of build is among them.
Fused fused_in(Reduction r) {
  switch (r) {
    case Reduction::signs_apart:
    case Reduction::shuffled_a: return {true, true};
    case Reduction::reversed:
    case Reduction::shuffled_b: return {true, false};
    case Reduction::shuffled_c: return {false, true};
    default: return {};
  }
}

/// Taps of one coordinate. The two-step form through [-1, 1] keeps the library's bits.
void taps(int32_t position, int32_t extent, int64_t side, Fused fused, int32_t* index, float* weight) {
  const float grid = ((static_cast<float>(position) + 0.5f) / static_cast<float>(extent)) * 2.0f - 1.0f;
  const auto size = static_cast<float>(side);
  const float at = (fused.coordinate ? std::fma(grid + 1.0f, size, -1.0f) : (grid + 1.0f) * size - 1.0f) / 2.0f;
  const float base = std::floor(at);
  cubic_weights(at - base, fused.weights, weight);
  for (int i = 0; i < 4; ++i) {
    const int64_t tap = static_cast<int64_t>(base) - 1 + i;
    index[i] = static_cast<int32_t>(std::clamp<int64_t>(tap, 0, side - 1));
  }
}

}  // namespace

void pos_embed_taps(const PosEmbedTapsArgs& a, Exec exec) {
  check(a);
  const auto position = as<int32_t, 2>(a.positions), extent = as<int32_t, 2>(a.extents);
  const auto iy = as<int32_t, 2>(a.index_y), ix = as<int32_t, 2>(a.index_x);
  const auto wy = as<float, 2>(a.weight_y), wx = as<float, 2>(a.weight_x);
  const Fused fused = fused_in(exec.reduction);
  for (int64_t p = 0; p < position.dim[1]; ++p) {
    for (int axis = 0; axis < 2; ++axis) {
      GLMV_CHECK(0 <= position(axis, p) && position(axis, p) < extent(axis, p), "patch ", p, " lies at ",
                 position(axis, p), " of ", extent(axis, p));
    }
    taps(position(0, p), extent(0, p), a.side, fused, &iy(p, 0), &wy(p, 0));
    taps(position(1, p), extent(1, p), a.side, fused, &ix(p, 0), &wx(p, 0));
  }
}

}  // namespace ref
}  // namespace glmv
