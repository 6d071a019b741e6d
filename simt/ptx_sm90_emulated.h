// Bodies of simt/ptx_sm90.h for the emulator.
#pragma once

#include <cstdint>
#include <cstring>

#include "simt/facade/common/qualifiers.h"
#include "simt/mbarrier.h"
#include "simt/wgmma.h"

namespace glmv::ptx {

// ---- Barriers and tensor loads

inline void mbarrier_init(uint64_t* barrier, unsigned count, GLMV_SIMT_HERE) {
  *barrier = simt::mbarrier_init(barrier, count, place);
}
inline void mbarrier_init_fence() {}
inline void fence_proxy_async() { simt::fence_proxy(); }
inline void tensor_map_release() {}
inline void tensor_map_acquire(const TensorMap& /*map*/) {}
inline void mbarrier_arrive(uint64_t* barrier, GLMV_SIMT_HERE) { simt::mbarrier_arrive(barrier, *barrier, 0, place); }
inline void mbarrier_arrive_expect(uint64_t* barrier, unsigned bytes, GLMV_SIMT_HERE) {
  simt::mbarrier_arrive(barrier, *barrier, bytes, place);
}

namespace detail {

inline char* swizzled(char* p) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  return p + (static_cast<ptrdiff_t>((address ^ (address >> 7 & 7) << 4)) - static_cast<ptrdiff_t>(address));
}

inline bool inside(int64_t i, uint64_t extent) { return i >= 0 && static_cast<uint64_t>(i) < extent; }

/// Eight elements of a row of the tensor, from column x on; zeros for what lies outside.
inline void copy_chunk(char* to, const char* row, const BoxedTensor& t, int64_t x) {
  uint16_t values[8] = {};
  if (row != nullptr && inside(x, t.extent[0]) && inside(x + 7, t.extent[0])) {
    memcpy(values, row + 2 * x, sizeof(values));
  } else if (row != nullptr) {
    for (int i = 0; i < 8; ++i) {
      if (inside(x + i, t.extent[0])) memcpy(values + i, row + 2 * (x + i), 2);
    }
  }
  memcpy(to, values, sizeof(values));
}

inline void copy_box(const simt::TensorLoad& load) {
  const BoxedTensor& t = load.tensor;
  char* to = static_cast<char*>(load.to);
  for (unsigned z = 0; z < t.box[2]; ++z) {
    for (unsigned y = 0; y < t.box[1]; ++y) {
      const int64_t row = int64_t{load.at[1]} + y, plane = int64_t{load.at[2]} + z;
      const bool there = inside(row, t.extent[1]) && inside(plane, t.extent[2]);
      const char* from = there ? static_cast<const char*>(t.data) + static_cast<uint64_t>(row) * t.stride[1] +
                                     static_cast<uint64_t>(plane) * t.stride[2]
                               : nullptr;
      for (unsigned chunk = 0; chunk < 8; ++chunk, to += 16)
        copy_chunk(swizzled(to), from, t, int64_t{load.at[0]} + 8 * chunk);
    }
  }
}

// Until somebody waits, the destination may hold anything; NaN is the anything that shows.
inline void tensor_load(const simt::TensorLoad& load, uint64_t stored) {
  simt::check_load(load, stored);
  memset(load.to, 0xFF, load.tensor.box_bytes());
  simt::issue_load(load, stored);
}

}  // namespace detail

inline void tensor_load_2d(void* to, const TensorMap& map, uint64_t* barrier, int x, int y, GLMV_SIMT_HERE) {
  if (map.tensor.rank != 2) simt::fail(place, "tensor_load_2d of a tensor of another rank");
  detail::tensor_load({to, barrier, map.tensor, {x, y, 0}, place}, *barrier);
}
inline void tensor_load_3d(void* to, const TensorMap& map, uint64_t* barrier, int x, int y, int z, GLMV_SIMT_HERE) {
  if (map.tensor.rank != 3) simt::fail(place, "tensor_load_3d of a tensor of another rank");
  detail::tensor_load({to, barrier, map.tensor, {x, y, z}, place}, *barrier);
}

inline void mbarrier_wait(uint64_t* barrier, unsigned parity, GLMV_SIMT_HERE) {
  simt::TensorLoad load;
  do {
    while (simt::next_load(barrier, *barrier, load, place)) {
      detail::copy_box(load);
      simt::finish_load(load);
    }
  } while (!simt::mbarrier_wait(barrier, *barrier, parity, place));
}

// ---- wgmma

inline uint64_t wgmma_descriptor(const void* p, unsigned leading, unsigned stride) {
  return simt::encode({simt::shared_address(p), leading, stride});
}

namespace detail {

inline float widened(uint16_t bits) { return __builtin_bit_cast(float, uint32_t{bits} << 16); }

/// The 16 elements of a row of A or a column of B. K-major ones lie in two chunks of eight.
inline void load_operand(float (&to)[16], uint64_t bits, Major major, unsigned row, simt::Place place) {
  const simt::WgmmaDescriptor d = simt::decode(bits);
  const unsigned step = major == Major::k ? 8 : 1;
  for (unsigned k = 0; k < 16; k += step) {
    uint16_t values[8];
    memcpy(values, simt::shared_place(simt::element_address(d, major, row, k), 2 * step, place), 2 * step);
    for (unsigned i = 0; i < step; ++i) to[k + i] = widened(values[i]);
  }
}

/// The thread's elements of D: products are exact in f32 and added in ascending k.
inline void compute(const simt::Wgmma& w, float* sums) {
  const unsigned t = (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 128;
  float a[2][16];
  for (unsigned half = 0; half < 2; ++half) {
    if (w.a_in_registers) {
      for (unsigned k = 0; k < 16; ++k) a[half][k] = widened(w.a_rows[half][k]);
    } else {
      load_operand(a[half], w.a, Major::k, simt::WgmmaM64K16::d(t, 2 * half).row, w.place);
    }
  }
  for (unsigned i = 0; i < w.n / 2; i += 4) {
    for (unsigned column = 0; column < 2; ++column) {
      float b[16];
      load_operand(b, w.b, w.b_major, simt::WgmmaM64K16::d(t, i + column).column, w.place);
      for (unsigned half = 0; half < 2; ++half) {
        float& sum = sums[i + 2 * half + column];
        if (!w.accumulate) sum = 0;
        for (unsigned k = 0; k < 16; ++k) sum += a[half][k] * b[k];
      }
    }
  }
}

}  // namespace detail

inline void wgmma_fence() { simt::wgmma_fence(); }
inline void wgmma_commit() { simt::wgmma_commit(); }
/// Until at most the `Open` last groups of this thread are unfinished; d: all registers of D that may then be read.
template <unsigned Open>
void wgmma_wait(GLMV_SIMT_HERE) {
  for (simt::DueWgmma due; simt::next_due_wgmma(Open, due);) detail::compute(*due.instruction, due.sums);
  simt::wgmma_waited(place);
}
template <unsigned Open, int Count>
void wgmma_wait(float (&/*d*/)[Count], GLMV_SIMT_HERE) {
  wgmma_wait<Open>(place);
}

/// d [64, 2 Count] = A B, added to d where `accumulate`; A K-major.
template <int Count>
void wgmma(float (&d)[Count], uint64_t a, uint64_t b, bool accumulate, GLMV_SIMT_HERE) {
  simt::issue_wgmma({d, 2 * Count, accumulate, false, Major::k, a, b, place, {}}, nullptr);
}
/// The same with A in registers.
template <Major BMajor, int Count>
void wgmma(float (&d)[Count], const uint32_t (&a)[4], uint64_t b, bool accumulate, GLMV_SIMT_HERE) {
  simt::issue_wgmma({d, 2 * Count, accumulate, true, BMajor, 0, b, place, {}}, a);
}

template <unsigned Count>
void fewer_registers() {
  static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "what setmaxnreg takes");
}
template <unsigned Count>
void more_registers() {
  static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "what setmaxnreg takes");
}

}  // namespace glmv::ptx
