#include "reference/kv_write.h"

#include "gpu/elementwise.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kKvWriteThreads = 256;

/// One block per token: its rows of k and v, `width` elements each, N at a time. A slot outside the pages is not
/// written: a kernel cannot throw.
template <class T, int N>
__global__ void __launch_bounds__(kKvWriteThreads)
    kv_write_kernel(Rows<const T> k, Rows<const T> v, ConstTensorView slots, T* k_pages, T* v_pages, int64_t rows,
                    int64_t width) {
  const int64_t slot = int_at(slots, blockIdx.x);
  if (slot < 0 || slot >= rows) return;
  for (int64_t i = N * threadIdx.x; i < width; i += N * blockDim.x) {
    float key[N], value[N];  // widening and rounding again leave an element as it was
    load_values(k[blockIdx.x] + i, key);
    load_values(v[blockIdx.x] + i, value);
    store_values(k_pages + slot * width + i, key);
    store_values(v_pages + slot * width + i, value);
  }
}

/// [T, Hkv, D] as [T, Hkv D]: check() has seen that the heads of a token are adjacent.
ConstTensorView flat_rows(ConstTensorView v) {
  v.rank = 2;
  v.dim[1] *= v.dim[2];
  v.stride[1] = 1;
  return v;
}

}  // namespace

void kv_write(const KvWriteArgs& a, Exec exec) {
  check(a);
  check_type("kv_write", a.k.dtype);
  if (a.k.size() == 0) return;
  const ConstTensorView k = flat_rows(a.k), v = flat_rows(a.v);
  const int64_t rows = a.k_pages.dim[0] * a.k_pages.dim[1];
  with_type(a.k.dtype, [&](auto type) {
    using T = decltype(type);
    const auto launch = [&](auto vector) {
      constexpr int N = decltype(vector)::value;
      const RowGrid grid((k.dim[1] + N - 1) / N, kKvWriteThreads);
      GLMV_LAUNCH((kv_write_kernel<T, N>), dim3(static_cast<unsigned>(k.dim[0])), dim3(grid.threads), 0, exec,
                  Rows<const T>(k), Rows<const T>(v), a.slots, static_cast<T*>(a.k_pages.data),
                  static_cast<T*>(a.v_pages.data), rows, k.dim[1]);
    };
    const auto pages_take = [&](const TensorView& pages) {  // rows of pages are as long as those of k
      return reinterpret_cast<uintptr_t>(pages.data) % 16 == 0;
    };
    constexpr int N = kVector<T>;
    if (takes_vectors(k, N) && takes_vectors(v, N) && pages_take(a.k_pages) && pages_take(a.v_pages))
      launch(Number<N>());
    else
      launch(Number<1>());
  });
}

}  // namespace glmv::GLMV_BACKEND
