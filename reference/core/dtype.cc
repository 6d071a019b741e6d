#include "reference/core/dtype.h"

#include <algorithm>
#include <cmath>

namespace glmv {
namespace {

/// Spacing of a binary float with `mantissa` stored bits whose smallest normal exponent is `min_exponent`.
double spacing(double x, int mantissa, int min_exponent) {
  int exponent = min_exponent;
  if (x != 0) exponent = std::max(std::ilogb(x), min_exponent);
  return std::ldexp(1.0, exponent - mantissa);
}

}  // namespace

double ulp_at(DType t, double x) {
  switch (t) {
    case DType::f64: return spacing(x, 52, -1022);
    case DType::f32: return spacing(x, 23, -126);
    case DType::f16: return spacing(x, 10, -14);
    case DType::bf16: return spacing(x, 7, -126);
    case DType::f8e4m3: return spacing(x, 3, -6);
    default: return 0;
  }
}

DType coarser(DType a, DType b) { return ulp_at(a, 1.0) > ulp_at(b, 1.0) ? a : b; }

}  // namespace glmv
