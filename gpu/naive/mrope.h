#include "reference/mrope.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per pair of dimensions; those of a head that is wider than its pairs pass through in twos as well.
/// Both elements of a pair are read before either is written, so out may be x.
__global__ void mrope_kernel(ConstTensorView x, ConstTensorView cosine, ConstTensorView sine, Pairing pairing,
                             DType inner, TensorView out) {
  const int64_t heads = x.dim[1], width = x.dim[2], pairs = cosine.dim[1], twos = (width + 1) / 2;
  const int64_t t = thread_number() / (heads * twos), h = thread_number() / twos % heads, j = thread_number() % twos;
  if (t >= x.dim[0]) return;
  if (j >= pairs) {
    for (int64_t d = 2 * j; d < 2 * j + 2 && d < width; ++d) set(out, get(x, t, h, d), t, h, d);
    return;
  }
  const int64_t first = pairing == Pairing::half_split ? j : 2 * j;
  const int64_t second = pairing == Pairing::half_split ? j + pairs : 2 * j + 1;
  const float a = get(x, t, h, first), b = get(x, t, h, second), c = get(cosine, t, j), s = get(sine, t, j);
  set(out, round_to(inner, a * c) - round_to(inner, b * s), t, h, first);
  set(out, round_to(inner, b * c) + round_to(inner, a * s), t, h, second);
}

}  // namespace

void mrope(const MropeArgs& a, Exec exec) {
  check(a);
  check_type("mrope", a.out.dtype);
  const int64_t threads = a.x.dim[0] * a.x.dim[1] * ((a.x.dim[2] + 1) / 2);
  GLMV_LAUNCH_EACH(mrope_kernel, threads, exec, a.x, a.cos, a.sin, a.pairing, inner_type(a.rounding, a.out.dtype),
                   a.out);
}

}  // namespace glmv::GLMV_BACKEND::naive
