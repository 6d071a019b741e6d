#include "reference/rmsnorm.h"

#include "gpu/row_norm.h"
#include "hip/ops.h"
#include "hip/waves.h"
#include "reference/fused.h"

namespace glmv::GLMV_BACKEND {
namespace {

/// out[t] = weight * round(x[t] * scale of the row), one block per row; out may be x. With a delta: x is the residual,
/// and residual = x + delta, rounded to T, is what is normalised.
template <int Lanes, class T, int N, class Row>
__global__ void __launch_bounds__(kNormThreads)
    rmsnorm_kernel(Rows<const T> x, Rows<const T> delta, Rows<T> residual, Vector weight, float eps, Rows<T> out,
                   int64_t width, DType inner) {
  needs_wave<Lanes>();
  const T* const x_row = x[blockIdx.x];
  T* const out_row = out[blockIdx.x];
  Row row(x_row, width);
  float squares = 0;
  row.read(x_row, [&](int64_t h, float(&v)[N]) HIP_INLINE {
    if (delta.data != nullptr) {
      float d[N];
      load_values(delta[blockIdx.x] + h, d);
      for (int i = 0; i < N; ++i) v[i] = round_to(DTypeOf<T>::value, v[i] + d[i]);
      store_values(residual[blockIdx.x] + h, v);
    }
    for (int i = 0; i < N; ++i) squares = fmaf(v[i], v[i], squares);
  });
  const float scale = 1.0f / sqrtf(block_sum<Lanes, kNormThreads>(squares) / static_cast<float>(width) + eps);
  row.again([&](int64_t h, float(&v)[N]) HIP_INLINE {
    float w[N], y[N];
    weight.get(h, w);
    for (int i = 0; i < N; ++i) y[i] = w[i] * round_to(inner, v[i] * scale);
    store_values(out_row + h, y);
  });
}

/// Plain: `delta` and `residual` without data. Fused: x and `residual` are the same.
void launch(const ConstTensorView& x, const ConstTensorView& delta, const TensorView& residual,
            const ConstTensorView& weight, float eps, const TensorView& out, Rounding rounding, Exec exec) {
  if (out.size() == 0) return;
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    for_norm(
        out.dtype, out.dim[1],
        [&](auto type, auto vector, auto* row) {
          using T = decltype(type);
          constexpr int N = decltype(vector)::value;
          const RowGrid grid((out.dim[1] + N - 1) / N, kNormThreads, kLanes);
          GLMV_LAUNCH((rmsnorm_kernel<kLanes, T, N, std::remove_pointer_t<decltype(row)>>),
                      dim3(static_cast<unsigned>(out.dim[0])), dim3(grid.threads), 0, exec, Rows<const T>(x),
                      Rows<const T>(delta), Rows<T>(residual), Vector(weight), eps, Rows<T>(out), out.dim[1],
                      inner_type(rounding, out.dtype));
        },
        x, delta ? delta : x, weight, out);
  });
}

}  // namespace

void rmsnorm(const RmsNormArgs& a, Exec exec) {
  check(a);
  check_type("rmsnorm", a.out.dtype);
  launch(a.x, {}, {}, a.weight, a.eps, a.out, a.rounding, exec);
}

void fused_add_rmsnorm(const FusedAddRmsNormArgs& a, Exec exec) {
  check(a);
  check_type("fused_add_rmsnorm", a.out.dtype);
  launch(a.residual, a.delta, a.residual, a.weight, a.eps, a.out, a.rounding, exec);
}

}  // namespace glmv::GLMV_BACKEND
