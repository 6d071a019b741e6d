#include "reference/mrope.h"

#include "gpu/elementwise.h"
#include "reference/fused.h"

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
  /// Pages [pages, page, heads, D] by slots.
  static Heads of_pages(const TensorView& pages) {
    Heads h(pages);
    h.token = pages.dim[2] * pages.dim[3], h.head = pages.dim[3];
    return h;
  }
  __device__ T* at(int64_t t, int64_t h) const { return data + t * token + h * head; }
};

/// Row t of a table of cosines or sines.
struct Angles {
  const void* data;
  DType dtype;
  int64_t stride;

  explicit Angles(const ConstTensorView& v) : data(v.data), dtype(v.dtype), stride(v.stride[0]) {}
  template <int N>
  __device__ GPU_INLINE void get(int64_t t, int64_t j, float (&to)[N]) const {
    load_values(data, dtype, t * stride + j, to);
  }
};

/// Turns N pairs, first[i] with second[i].
template <int N>
__device__ GPU_INLINE void turn(float (&first)[N], float (&second)[N], const float (&c)[N], const float (&s)[N],
                                DType inner) {
  GPU_UNROLL
  for (int i = 0; i < N; ++i) {
    const float a = first[i], b = second[i];
    first[i] = round_to(inner, a * c[i]) - round_to(inner, b * s[i]);
    second[i] = round_to(inner, b * c[i]) + round_to(inner, a * s[i]);
  }
}

/// Pairs j .. j + N - 1 of a head. All are read before any is written, so `to` may be `from`.
template <class T, int N, Pairing pairing>
__device__ GPU_INLINE void turn_pairs(const T* from, T* to, int64_t j, int64_t pairs, const float (&c)[N],
                                      const float (&s)[N], DType inner) {
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

/// How the heads of a token are cut: `turning` groups of N pairs, then `copied` groups of N dimensions that pass
/// through. copied is 0 where the result takes the place of the input, so that only the rotary part is touched.
struct Groups {
  int heads, turning, copied;
};

/// The whole block turns the heads of row t of x into those of row `to_row` of out.
template <class T, int N, Pairing pairing, class From>
__device__ GPU_INLINE void turn_heads(const Heads<From>& x, int64_t t, const Heads<T>& out, int64_t to_row,
                                      Angles cosine, Angles sine, Groups g, DType inner) {
  const int groups = g.turning + g.copied, pairs = g.turning * N;
  for (int i = threadIdx.x; i < g.heads * groups; i += blockDim.x) {
    const int head = i / groups, group = i % groups;
    const T* from = x.at(t, head);
    T* to = out.at(to_row, head);
    if (group < g.turning) {
      float c[N], s[N];
      cosine.get(t, group * N, c);
      sine.get(t, group * N, s);
      turn_pairs<T, N, pairing>(from, to, group * N, pairs, c, s, inner);
    } else {
      const int d = 2 * pairs + (group - g.turning) * N;
      float v[N];
      load_values(from + d, v);
      store_values(to + d, v);
    }
  }
}

/// One block per token.
template <class T, int N, Pairing pairing>
__global__ void __launch_bounds__(kMropeThreads)
    mrope_kernel(Heads<const T> x, Angles cosine, Angles sine, Heads<T> out, Groups groups, DType inner) {
  turn_heads<T, N, pairing>(x, blockIdx.x, out, blockIdx.x, cosine, sine, groups, inner);
}

/// One block per token: its queries in place, its keys to the cache, its values as they are to the cache. A slot
/// outside the pages is not written: a kernel cannot throw.
/// Four blocks per multiprocessor: without that word ptxas aims at five, with 48 registers, and spills.
template <class T, int N, Pairing pairing>
__global__ void __launch_bounds__(kMropeThreads, 4)
    rope_kv_write_kernel(Heads<T> q, Heads<const T> k, Heads<const T> v, Angles cosine, Angles sine, Groups q_groups,
                         Groups k_groups, ConstTensorView slots, int64_t rows, Heads<T> k_pages, Heads<T> v_pages,
                         DType inner) {
  const int64_t t = blockIdx.x, slot = int_at(slots, t);
  turn_heads<T, N, pairing>(q, t, q, t, cosine, sine, q_groups, inner);
  if (slot < 0 || slot >= rows) return;
  turn_heads<T, N, pairing>(k, t, k_pages, slot, cosine, sine, k_groups, inner);
  for (int64_t i = N * threadIdx.x; i < v_pages.token; i += N * blockDim.x) {
    float value[N];
    load_values(v.at(t, 0) + i, value);
    store_values(v_pages.at(slot, 0) + i, value);
  }
}

bool same_memory(const ConstTensorView& a, const TensorView& b) {
  return a.data == b.data && a.stride[0] == b.stride[0] && a.stride[1] == b.stride[1];
}

/// Error where the numbers of a token's groups are not ints.
Groups groups_of(const ConstTensorView& x, const ConstTensorView& cosine, int n, bool in_place) {
  const int64_t turning = cosine.dim[1] / n, copied = in_place ? 0 : x.dim[2] / n - 2 * turning;
  GLMV_CHECK(x.dim[1] * (turning + copied) < (int64_t{1} << 30), "rope: rows of ", x, " have too many groups");
  return {static_cast<int>(x.dim[1]), static_cast<int>(turning), static_cast<int>(copied)};
}

unsigned threads_for(const Groups& g) {
  return RowGrid(int64_t{g.heads} * (g.turning + g.copied), kMropeThreads).threads;
}

template <class T, int N, Pairing pairing>
void launch(const MropeArgs& a, Exec exec) {
  const Groups groups = groups_of(a.x, a.cos, N, same_memory(a.x, a.out));
  if (threads_for(groups) == 0) return;
  GLMV_LAUNCH((mrope_kernel<T, N, pairing>), dim3(static_cast<unsigned>(a.x.dim[0])), dim3(threads_for(groups)), 0,
              exec, Heads<const T>(a.x), Angles(a.cos), Angles(a.sin), Heads<T>(a.out), groups,
              inner_type(a.rounding, a.out.dtype));
}

template <class T, int N, Pairing pairing>
void launch(const FusedRopeKvWriteArgs& a, Exec exec) {
  const Groups q = groups_of(a.q, a.cos, N, true), k = groups_of(a.k, a.cos, N, false);
  const unsigned most = max(threads_for(q), threads_for(k));
  GLMV_LAUNCH((rope_kv_write_kernel<T, N, pairing>), dim3(static_cast<unsigned>(a.q.dim[0])), dim3(most), 0, exec,
              Heads<T>(a.q), Heads<const T>(a.k), Heads<const T>(a.v), Angles(a.cos), Angles(a.sin), q, k, a.slots,
              a.k_pages.dim[0] * a.k_pages.dim[1], Heads<T>::of_pages(a.k_pages), Heads<T>::of_pages(a.v_pages),
              inner_type(a.rounding, a.q.dtype));
}

/// By vectors of 16 bytes where all views take them.
template <class Args, class... Views>
void launch_by_type(const Args& a, DType dtype, Exec exec, const Views&... views) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int N = kVector<T>;
    const bool vectors = (takes_vectors(views, N) && ...), halves = a.pairing == Pairing::half_split;
    if (vectors && halves) return launch<T, N, Pairing::half_split>(a, exec);
    if (vectors) return launch<T, N, Pairing::even_odd>(a, exec);
    if (halves) return launch<T, 1, Pairing::half_split>(a, exec);
    launch<T, 1, Pairing::even_odd>(a, exec);
  });
}

}  // namespace

void mrope(const MropeArgs& a, Exec exec) {
  check(a);
  check_type("mrope", a.out.dtype);
  if (a.x.size() > 0) launch_by_type(a, a.out.dtype, exec, a.x, a.out, a.cos, a.sin);
}

void fused_rope_kv_write(const FusedRopeKvWriteArgs& a, Exec exec) {
  check(a);
  check_type("fused_rope_kv_write", a.q.dtype);
  if (a.q.size() == 0 || a.k.size() == 0) return;
  launch_by_type(a, a.q.dtype, exec, a.q, a.k, a.v, a.cos, a.sin, a.k_pages, a.v_pages);
}

}  // namespace glmv::GLMV_BACKEND
