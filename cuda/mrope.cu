#include "reference/mrope.h"

#include "cuda/elementwise.h"
#include "cuda/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kMropeThreads = 256;

/// [T, heads, D] of one type; strides in elements.
template <class T>
struct Heads {
  T* data;
  int64_t token, head;

  template <class V>
  explicit Heads(const V& v) : data(static_cast<T*>(v.data)), token(v.stride[0]), head(v.stride[1]) {}
  __device__ T* at(int64_t t, int64_t h) const { return data + t * token + h * head; }
};

/// Row t of a table of cosines or sines.
struct Angles {
  const void* data;
  DType dtype;
  int64_t stride;

  explicit Angles(const ConstTensorView& v) : data(v.data), dtype(v.dtype), stride(v.stride[0]) {}
  template <int N>
  __device__ void get(int64_t t, int64_t j, float (&to)[N]) const {
    load_values(data, dtype, t * stride + j, to);
  }
};

/// Turns N pairs, first[i] with second[i].
template <int N>
__device__ void turn(float (&first)[N], float (&second)[N], const float (&c)[N], const float (&s)[N], DType inner) {
  GPU_UNROLL
  for (int i = 0; i < N; ++i) {
    const float a = first[i], b = second[i];
    first[i] = round_to(inner, a * c[i]) - round_to(inner, b * s[i]);
    second[i] = round_to(inner, b * c[i]) + round_to(inner, a * s[i]);
  }
}

/// Pairs j .. j + N - 1 of a head. All are read before any is written, so `to` may be `from`.
template <class T, int N, Pairing pairing>
__device__ void turn_pairs(const T* from, T* to, int64_t j, int64_t pairs, const float (&c)[N], const float (&s)[N],
                           DType inner) {
  float a[N], b[N], first[N], second[N];
  constexpr bool kHalves = pairing == Pairing::half_split;
  const int64_t at_a = kHalves ? j : 2 * j, at_b = kHalves ? j + pairs : 2 * j + N;
  load_values(from + at_a, a);
  load_values(from + at_b, b);
  GPU_UNROLL
  for (int i = 0; i < N; ++i) {  // even_odd: a and b are 2 N neighbours, the pairs alternate
    first[i] = kHalves ? a[i] : 2 * i < N ? a[2 * i % N] : b[2 * i % N];
    second[i] = kHalves ? b[i] : 2 * i + 1 < N ? a[(2 * i + 1) % N] : b[(2 * i + 1) % N];
  }
  turn(first, second, c, s, inner);
  GPU_UNROLL
  for (int i = 0; i < N; ++i) {
    a[i] = kHalves ? first[i] : i % 2 == 0 ? first[i / 2] : second[i / 2];
    b[i] = kHalves ? second[i] : (N + i) % 2 == 0 ? first[(N + i) / 2] : second[(N + i) / 2];
  }
  store_values(to + at_a, a);
  store_values(to + at_b, b);
}

/// One block per token. A head is `turning` groups of N pairs and `copied` groups of N dimensions that pass through;
/// copied is 0 where out is x, so that only the rotary part is touched.
template <class T, int N, Pairing pairing>
__global__ void __launch_bounds__(kMropeThreads)
    mrope_kernel(Heads<const T> x, Angles cosine, Angles sine, Heads<T> out, int heads, int turning, int copied,
                 DType inner) {
  const int64_t t = blockIdx.x;
  const int groups = turning + copied, pairs = turning * N;
  for (int i = threadIdx.x; i < heads * groups; i += blockDim.x) {
    const int head = i / groups, group = i % groups;
    const T* from = x.at(t, head);
    T* to = out.at(t, head);
    if (group < turning) {
      float c[N], s[N];
      cosine.get(t, group * N, c);
      sine.get(t, group * N, s);
      turn_pairs<T, N, pairing>(from, to, group * N, pairs, c, s, inner);
    } else {
      const int d = 2 * pairs + (group - turning) * N;
      float v[N];
      load_values(from + d, v);
      store_values(to + d, v);
    }
  }
}

bool same_memory(const ConstTensorView& a, const TensorView& b) {
  return a.data == b.data && a.stride[0] == b.stride[0] && a.stride[1] == b.stride[1];
}

template <class T, int N, Pairing pairing>
void launch(const MropeArgs& a, Exec exec) {
  const int64_t heads = a.x.dim[1], turning = a.cos.dim[1] / N;
  const int64_t copied = same_memory(a.x, a.out) ? 0 : a.x.dim[2] / N - 2 * turning;
  const int64_t units = heads * (turning + copied);
  if (units == 0) return;
  GLMV_CHECK(units < (int64_t{1} << 30), "mrope: x ", a.x, " has rows beyond 2^30 groups");
  const RowGrid grid(units, kMropeThreads);
  GLMV_LAUNCH((mrope_kernel<T, N, pairing>), dim3(static_cast<unsigned>(a.x.dim[0])), dim3(grid.threads), 0, exec,
              Heads<const T>(a.x), Angles(a.cos), Angles(a.sin), Heads<T>(a.out), static_cast<int>(heads),
              static_cast<int>(turning), static_cast<int>(copied), inner_type(a.rounding, a.out.dtype));
}

template <class T, int N>
void launch(const MropeArgs& a, Exec exec) {
  if (a.pairing == Pairing::half_split)
    launch<T, N, Pairing::half_split>(a, exec);
  else
    launch<T, N, Pairing::even_odd>(a, exec);
}

}  // namespace

void mrope(const MropeArgs& a, Exec exec) {
  check(a);
  check_type("mrope", a.out.dtype);
  if (a.x.size() == 0) return;
  with_type(a.out.dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int N = kVector<T>;
    if (takes_vectors(a.x, N) && takes_vectors(a.out, N) && takes_vectors(a.cos, N) && takes_vectors(a.sin, N))
      launch<T, N>(a, exec);
    else
      launch<T, 1>(a, exec);
  });
}

}  // namespace glmv::GLMV_BACKEND
