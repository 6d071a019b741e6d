// __syncthreads and its relatives, memory fences, cached loads.
#pragma once

#include "simt/facade/common/qualifiers.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the vendors'
inline namespace glmv_simt_facade {

inline void __syncthreads(GLMV_SIMT_HERE) { ::glmv::simt::block_barrier("__syncthreads", place); }
/// How many threads came with a true `flag`.
inline int __syncthreads_count(int flag, GLMV_SIMT_HERE) {
  return ::glmv::simt::block_barrier("__syncthreads_count", place, ::glmv::simt::Combine::add, flag);
}
inline int __syncthreads_and(int flag, GLMV_SIMT_HERE) {
  return ::glmv::simt::block_barrier("__syncthreads_and", place, ::glmv::simt::Combine::all, flag);
}
inline int __syncthreads_or(int flag, GLMV_SIMT_HERE) {
  return ::glmv::simt::block_barrier("__syncthreads_or", place, ::glmv::simt::Combine::any, flag);
}

inline void __threadfence_block() { ::glmv::simt::memory_fence(); }
inline void __threadfence() { ::glmv::simt::memory_fence(); }
inline void __threadfence_system() { ::glmv::simt::memory_fence(); }
/// Gives the other threads of the block a turn: without it a thread that spins on one of them would spin for ever.
inline void __nanosleep(unsigned /*ns*/) { ::glmv::simt::yield(); }

/// Ends the kernel with a report.
inline void __trap(GLMV_SIMT_HERE) { ::glmv::simt::fail(place, "__trap"); }

// Cache hints: plain loads and stores.
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldca(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcg(T* p, T value) {
  *p = value;
}
template <class T>
void __stcs(T* p, T value) {
  *p = value;
}

}  // namespace glmv_simt_facade
// NOLINTEND(bugprone-reserved-identifier)
