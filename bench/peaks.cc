#include "bench/peaks.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "bench/machine.h"
#include "bench/timer.h"
#include "reference/add.h"
#include "reference/core/parallel.h"
#include "reference/core/simd.h"
#include "reference/linear.h"

namespace glmv::bench {
namespace {

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds of the fastest of `times` calls.
template <class F>
double fastest(int times, F f) {
  double least = 1e30;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    least = std::min(least, since(start));
  }
  return least;
}

/// Host memory, taken as often as threads share it out.
struct Buffer {
  explicit Buffer(int64_t bytes)
      : size(bytes), data(static_cast<char*>(cpu_backend().alloc(static_cast<size_t>(bytes)))) {
    std::memset(data, 1, static_cast<size_t>(bytes));
  }
  ~Buffer() { cpu_backend().free(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  int64_t size;
  char* data;
};

constexpr int64_t kPiece = int64_t{4} << 20;

/// Adds up a piece as floats, eight sums of eight side by side: nothing waits but the memory.
float sum_of(const char* piece) {
  const auto* x = reinterpret_cast<const float*>(piece);
  simd::f32x8 sums[8] = {};
  for (int64_t i = 0; i < kPiece / 4; i += 64) {
    for (int64_t j = 0; j < 8; ++j) sums[j] += simd::load(x + i + 8 * j);
  }
  float total = 0;
  for (const simd::f32x8& s : sums) total += simd::sum(s);
  return total;
}

void measure_host_memory(Peaks& peaks, bool quick) {
  const int64_t bytes =
      std::max<int64_t>(8 * cache_bytes(cpu_backend()), quick ? 0 : int64_t{512} << 20) / kPiece * kPiece;
  const Buffer from(bytes), to(bytes);
  const int64_t pieces = bytes / kPiece;
  const int times = quick ? 3 : 7;
  std::vector<float> sums(static_cast<size_t>(pieces));
  const double read = fastest(times, [&] {
    parallel_for(pieces, kPiece, [&](int64_t i) { sums[static_cast<size_t>(i)] = sum_of(from.data + i * kPiece); });
  });
  const double copy = fastest(times, [&] {
    parallel_for(pieces, kPiece, [&](int64_t i) {
      std::memcpy(to.data + i * kPiece, from.data + i * kPiece, static_cast<size_t>(kPiece));
    });
  });
  GLMV_CHECK(std::isfinite(sums[0]) && to.data[bytes - 1] == 1, "the memory does not hold what was written");
  peaks.read_bytes_per_s = static_cast<double>(bytes) / read;
  peaks.copy_bytes_per_s = 2 * static_cast<double>(bytes) / copy;
}

#ifdef __AVX512F__
using Wide = simd::f32x16;
#else
using Wide = simd::f32x8;
#endif

/// Fused multiply-adds that wait for nothing but the units: twelve chains of the widest vectors, on every thread. What
/// no product on this machine can exceed.
double multiply_add_flops_per_s(bool quick) {
  constexpr int64_t kChains = 12, kSteps = 400000, kLanes = sizeof(Wide) / sizeof(float);
  const int64_t threads = thread_count();
  std::vector<float> sums(static_cast<size_t>(threads));
  const double seconds = fastest(quick ? 3 : 7, [&] {
    parallel_for(threads, kSteps * kChains * kLanes, [&](int64_t i) {
      Wide chain[kChains], factor{}, addend{};
      simd::splat(0.999f, factor);
      simd::splat(1e-3f, addend);
      for (int64_t c = 0; c < kChains; ++c) simd::splat(static_cast<float>(c + i), chain[c]);
      for (int64_t step = 0; step < kSteps; ++step) {
        for (int64_t c = 0; c < kChains; ++c) chain[c] = simd::fma(chain[c], factor, addend);
      }
      float sum = 0;
      for (const Wide& c : chain) sum += c[0];
      sums[static_cast<size_t>(i)] = sum;
    });
  });
  GLMV_CHECK(std::isfinite(sums[0]), "a sum of bounded numbers is not finite");
  return static_cast<double>(2 * threads * kSteps * kChains * kLanes) / seconds;
}

/// A tensor of the backend with procedural values, which are neither zeros nor constants: those draw less power.
class Filled {
 public:
  Filled(const Backend& b, DType dtype, std::initializer_list<int64_t> dims, const char* name, double scale)
      : backend_(b), view(make_view(static_cast<void*>(nullptr), dtype, dims, b.space)) {
    view.data = b.alloc(static_cast<size_t>(view.bytes()));
    if (b.space == Space::host) {
      fill_procedural_as(name, {scale, 0}, dtype, view);
    } else {
      b.fill(name, {scale, 0}, dtype, view, {});
    }
  }
  ~Filled() { backend_.free(view.data); }
  Filled(const Filled&) = delete;
  Filled& operator=(const Filled&) = delete;

 private:
  const Backend& backend_;

 public:
  TensorView view;
};

/// Times a call through a Timer of warm calls; seconds of the fastest.
double fastest_call(const Backend& b, int times, const CaseCall& call) {
  Timed timed;
  timed.backend = &b, timed.copies = {call}, timed.l2 = CacheState::warm;
  Timer timer(std::move(timed));
  timer.warm_up(2);
  double least = 1e30;
  for (int i = 0; i < times; ++i) least = std::min(least, timer.sample());
  return least;
}

/// 0 if the backend has no product of this type.
double product_flops_per_s(const Backend& b, DType dtype, int64_t n, int times) {
  if (!b.ops.linear) return 0;
  const Filled x(b, dtype, {n, n}, "peak/x", 1),
      w(b, DType::bf16, {n, n}, "peak/w", std::sqrt(3.0 / static_cast<double>(n))),
      out(b, dtype, {n, n}, "peak/out", 1);
  LinearArgs a;
  a.x = x.view, a.w.data = w.view, a.out = out.view;
  try {
    const double seconds = fastest_call(b, times, [&](Exec e) { b.ops.linear(a, e); });
    const auto size = static_cast<double>(n);
    return 2 * size * size * size / seconds;
  } catch (const Error&) {
    return 0;  // this type is not one of the backend's
  }
}

/// a += b over memory far larger than the cache: two reads and a write.
void measure_device_memory(const Backend& b, Peaks& peaks, bool quick) {
  if (!b.ops.add) return;
  const int64_t width = 8192, rows = (quick ? int64_t{64} : int64_t{1024}) << 20 >> 14;  // 16 KiB per row
  const Filled x(b, DType::bf16, {rows, width}, "peak/a", 1), y(b, DType::bf16, {rows, width}, "peak/b", 1);
  const AddArgs a{x.view, y.view, x.view};
  const double seconds = fastest_call(b, 10, [&](Exec e) { b.ops.add(a, e); });
  peaks.copy_bytes_per_s = 3 * static_cast<double>(x.view.bytes()) / seconds;
}

}  // namespace

Peaks measure_peaks(const Backend& b, const PeakOptions& options) {
  Peaks peaks;
  peaks.source = "measured";
  if (b.emulated) return peaks;
  const bool host = b.space == Space::host;
  if (host) {
    measure_host_memory(peaks, options.quick);
  } else {
    measure_device_memory(b, peaks, options.quick);
  }
  const int64_t n = host ? (options.quick ? 512 : 1536) : (options.quick ? 2048 : 8192);
  const int times = 5;
  peaks.f32_flops_per_s = product_flops_per_s(b, DType::f32, n, times);
  peaks.bf16_flops_per_s = product_flops_per_s(b, DType::bf16, n, times);
  if (host) {  // 16-bit operands are widened there: one ceiling for both, and our own product need not reach it
    const double units = multiply_add_flops_per_s(options.quick);
    peaks.f32_flops_per_s = std::max(peaks.f32_flops_per_s, units);
    peaks.bf16_flops_per_s = std::max(peaks.bf16_flops_per_s, units);
  }
  return peaks;
}

}  // namespace glmv::bench
