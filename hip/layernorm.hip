#include "reference/layernorm.h"

#include "gpu/row_norm.h"
#include "hip/ops.h"
#include "hip/waves.h"

namespace glmv::GLMV_BACKEND {
namespace {

/// One block per row: the mean, then the squares of the distances from it, then the write. out may be x.
template <int Lanes, class T, int N, class Row>
__global__ void __launch_bounds__(kNormThreads)
    layernorm_kernel(Rows<const T> x, Vector weight, Vector bias, float eps, Rows<T> out, int64_t width) {
  needs_wave<Lanes>();
  const T* const x_row = x[blockIdx.x];
  T* const out_row = out[blockIdx.x];
  Row row(x_row, width);
  float sum = 0, squares = 0;
  row.read(x_row, [&](int64_t, float(&v)[N]) HIP_INLINE {
    for (int i = 0; i < N; ++i) sum += v[i];
  });
  const float mean = block_sum<Lanes, kNormThreads>(sum) / static_cast<float>(width);
  row.again([&](int64_t, float(&v)[N]) HIP_INLINE {
    for (int i = 0; i < N; ++i) squares = fmaf(v[i] - mean, v[i] - mean, squares);
  });
  const float scale = 1.0f / sqrtf(block_sum<Lanes, kNormThreads>(squares) / static_cast<float>(width) + eps);
  row.again([&](int64_t h, float(&v)[N]) HIP_INLINE {
    float w[N], b[N], y[N];
    weight.get(h, w);
    bias.get(h, b);
    for (int i = 0; i < N; ++i) y[i] = (v[i] - mean) * scale * w[i] + b[i];
    store_values(out_row + h, y);
  });
}

}  // namespace

void layernorm(const LayerNormArgs& a, Exec exec) {
  check(a);
  check_type("layernorm", a.out.dtype);
  if (a.out.size() == 0) return;
  with_wave([&](auto lanes) {
    constexpr int kLanes = decltype(lanes)::value;
    for_norm(
        a.out.dtype, a.out.dim[1],
        [&](auto type, auto vector, auto* row) {
          using T = decltype(type);
          constexpr int N = decltype(vector)::value;
          const RowGrid grid((a.out.dim[1] + N - 1) / N, kNormThreads, kLanes);
          GLMV_LAUNCH((layernorm_kernel<kLanes, T, N, std::remove_pointer_t<decltype(row)>>),
                      dim3(static_cast<unsigned>(a.out.dim[0])), dim3(grid.threads), 0, exec, Rows<const T>(a.x),
                      Vector(a.weight), Vector(a.bias), a.eps, Rows<T>(a.out), a.out.dim[1]);
        },
        a.x, a.weight, a.bias, a.out);
  });
}

}  // namespace glmv::GLMV_BACKEND
