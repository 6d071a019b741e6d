#include "reference/gelu.h"

#include "gpu/elementwise.h"

namespace glmv::GLMV_BACKEND {
namespace {

struct Gelu {
  __device__ float operator()(float x) const { return x * 0.5f * (1.0f + erff(x * 0.70710678118654752440f)); }
};

}  // namespace

void gelu(const GeluArgs& a, Exec exec) {
  check(a);
  check_type("gelu", a.out.dtype);
  elementwise("gelu", Gelu(), a.out, exec, a.x);
}

}  // namespace glmv::GLMV_BACKEND
