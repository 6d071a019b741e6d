// Bodies of simt/ptx.h for the emulator.
#pragma once

#include <cstdint>
#include <cstring>

#include "simt/copies.h"
#include "simt/facade/common/qualifiers.h"
#include "simt/matrix.h"

namespace glmv::ptx {

/// d = a b + c; a: 16x16 bf16 by rows, b: 16x8 bf16 by columns, c, d: 16x8 f32.
inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4],
                              GLMV_SIMT_HERE) {
  simt::mma_m16n8k16_bf16(d, a, b, c, place);
}
/// The same with K = 32 and OCP E4M3 inputs; sm_89 and later.
inline void mma_m16n8k32_e4m3(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4],
                              GLMV_SIMT_HERE) {
  simt::mma_m16n8k32_e4m3(d, a, b, c, place);
}

namespace detail {
template <unsigned Count>
void ldmatrix(uint32_t (&out)[Count], const void* row, bool transposed, simt::Place place) {
  uint16_t copy[8] = {};
  if (simt::this_thread().lane < 8 * Count) {
    simt::check_ldmatrix_row(row, place);
    memcpy(copy, row, sizeof(copy));
  }
  simt::ldmatrix(out, Count, transposed, copy, place);
}
}  // namespace detail

/// out[j] = two neighbours of a row of the 8x8 tile j, whose rows lanes 8j..8j+7 name (16 bytes each, in shared
/// memory).
inline void ldmatrix_x1(uint32_t (&out)[1], const void* row, GLMV_SIMT_HERE) {
  detail::ldmatrix(out, row, false, place);
}
inline void ldmatrix_x2(uint32_t (&out)[2], const void* row, GLMV_SIMT_HERE) {
  detail::ldmatrix(out, row, false, place);
}
inline void ldmatrix_x4(uint32_t (&out)[4], const void* row, GLMV_SIMT_HERE) {
  detail::ldmatrix(out, row, false, place);
}
/// The same of the transposed tiles.
inline void ldmatrix_x1_trans(uint32_t (&out)[1], const void* row, GLMV_SIMT_HERE) {
  detail::ldmatrix(out, row, true, place);
}
inline void ldmatrix_x2_trans(uint32_t (&out)[2], const void* row, GLMV_SIMT_HERE) {
  detail::ldmatrix(out, row, true, place);
}
inline void ldmatrix_x4_trans(uint32_t (&out)[4], const void* row, GLMV_SIMT_HERE) {
  detail::ldmatrix(out, row, true, place);
}

namespace detail {
// Until somebody waits, the destination may hold anything; NaN is the anything that shows.
inline void cp_async(void* to, const void* from, unsigned bytes, unsigned valid_bytes, simt::Place place) {
  simt::issue_copy({to, from, bytes, valid_bytes, place});
  memset(to, 0xFF, bytes);
}
inline void finish_copies(unsigned open_groups) {
  while (const simt::PendingCopy* copy = simt::next_due_copy(open_groups)) {
    memcpy(copy->to, copy->from, copy->valid_bytes);
    memset(static_cast<char*>(copy->to) + copy->valid_bytes, 0, copy->bytes - copy->valid_bytes);
  }
}
}  // namespace detail

/// Starts a copy of 4, 8 or 16 aligned bytes from global to shared memory.
inline void cp_async_4(void* to, const void* from, GLMV_SIMT_HERE) { detail::cp_async(to, from, 4, 4, place); }
inline void cp_async_8(void* to, const void* from, GLMV_SIMT_HERE) { detail::cp_async(to, from, 8, 8, place); }
inline void cp_async_16(void* to, const void* from, GLMV_SIMT_HERE) { detail::cp_async(to, from, 16, 16, place); }
/// Reads only the first valid_bytes (0 to 16), the rest of the 16 becomes zero.
inline void cp_async_16_zfill(void* to, const void* from, unsigned valid_bytes, GLMV_SIMT_HERE) {
  detail::cp_async(to, from, 16, valid_bytes, place);
}
/// Puts all copies started since the last commit in one group.
inline void cp_async_commit() { simt::commit_copies(); }
/// Waits until at most the `Groups` last groups of this thread are unfinished.
template <unsigned Groups>
void cp_async_wait() {
  detail::finish_copies(Groups);
}
/// Waits for every copy of this thread, committed or not.
inline void cp_async_wait_all() { detail::finish_copies(simt::kAllCopies); }

}  // namespace glmv::ptx
