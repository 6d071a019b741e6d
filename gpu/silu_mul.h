#include "reference/silu_mul.h"

#include "gpu/elementwise.h"

namespace glmv::GLMV_BACKEND {
namespace {

struct SiluMul {
  DType inner;  ///< what silu(gate) is rounded to
  __device__ float operator()(float gate, float up) const { return round_to(inner, gate * sigmoid(gate)) * up; }
};

}  // namespace

void silu_mul(const SiluMulArgs& a, Exec exec) {
  check(a);
  check_type("silu_mul", a.out.dtype);
  elementwise("silu_mul", SiluMul{inner_type(a.rounding, a.out.dtype)}, a.out, exec, a.gate, a.up);
}

}  // namespace glmv::GLMV_BACKEND
