#include "gpu/fill.h"

#include "gpu/launch.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int64_t kPerThread = 16;

/// The values of a stretch of the tensor per thread, strided so that neighbours write neighbours. The host neither
/// contracts product and sum, so that both have the same bits.
template <class T>
__global__ void __launch_bounds__(kPlainThreads)
    fill_kernel(T* out, int64_t count, uint64_t hash, Procedural law, DType rounded_to) {
  const int64_t begin = int64_t(blockIdx.x) * kPlainThreads * kPerThread + threadIdx.x;
  for (int64_t k = 0; k < kPerThread; ++k) {
    const int64_t i = begin + k * kPlainThreads;
    if (i >= count) return;
    const double u = 2 * procedural_unit(hash, static_cast<uint64_t>(i)) - 1;  // exact
    const double value = __dadd_rn(law.offset, __dmul_rn(law.scale, u));
    out[i] = T(round_to(rounded_to, static_cast<float>(value)));
  }
}

template <class T>
void fill_as(std::string_view name, const Procedural& law, DType rounded_to, const TensorView& out, Exec exec) {
  const int64_t blocks = (out.size() + kPlainThreads * kPerThread - 1) / (kPlainThreads * kPerThread);
  GLMV_CHECK(blocks <= 0x7fffffff, out, " is too large to fill");
  GLMV_LAUNCH(fill_kernel<T>, dim3(static_cast<unsigned>(blocks)), dim3(kPlainThreads), 0, exec,
              static_cast<T*>(out.data), out.size(), procedural_hash(name), law, rounded_to);
}

}  // namespace

void fill(std::string_view name, const Procedural& law, DType rounded_to, const TensorView& out, Stream stream) {
  GLMV_CHECK(out.contiguous(), out, " is not contiguous");
  if (out.size() == 0) return;
  Exec exec;
  exec.stream = stream;
  switch (out.dtype) {
    case DType::f32: return fill_as<float>(name, law, rounded_to, out, exec);
    case DType::bf16: return fill_as<bf16>(name, law, rounded_to, out, exec);
    case DType::f8e4m3: return fill_as<f8e4m3>(name, law, rounded_to, out, exec);
    default: GLMV_CHECK(false, "procedural values into ", out);
  }
}

}  // namespace glmv::GLMV_BACKEND
