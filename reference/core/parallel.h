// Threads: one loop over OpenMP. Which thread does an item never changes its bits.
#pragma once

#include <cstdint>
#include <exception>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace glmv {

/// Threads the next parallel loop may use.
inline int thread_count() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

inline void set_thread_count(int n) {
#ifdef _OPENMP
  omp_set_num_threads(n);
#else
  (void)n;
#endif
}

/// Least work, in operations, for which waking a thread pays. Tests set it to 0 to see threads at work on small models.
inline int64_t& parallel_grain() {
  static int64_t grain = 100000;
  return grain;
}

/// f(i) for i in [0, n), items handed out one by one; `work` is about how many operations one item takes. The first
/// exception is rethrown when all threads are done.
template <class F>
void parallel_for(int64_t n, int64_t work, F f) {
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1) if (n > 1 && n * work > parallel_grain())
  for (int64_t i = 0; i < n; ++i) {
    try {
      f(i);
    } catch (...) {
#pragma omp critical(glmv_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace glmv
