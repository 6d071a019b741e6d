// Where wgmma finds its operands, and where its result lies: the matrix descriptor, the 128-byte swizzle and the
// accumulator's lanes (PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions").
//
// Shared memory is named by 18-bit byte addresses. The swizzle moves whole 16-byte chunks within 128-byte rows: chunk c
// of row r, both counted from a multiple of 1024 bytes, lies at chunk c ^ (r % 8).
#pragma once

#include "reference/core/dtype.h"
#include "simt/lane_tables.h"

namespace glmv::simt {

/// Which axis has adjacent elements: K, or M of A and N of B.
enum class Major : uint8_t { k, mn };

struct WgmmaDescriptor {
  uint32_t start, leading, stride;  ///< bytes, multiples of 16
  unsigned base_offset = 0;         ///< for patterns that do not start at a multiple of 1024
  unsigned swizzle = 1;             ///< 0 none, 1 128 bytes, 2 64 bytes, 3 32 bytes
};

GLMV_HD constexpr uint64_t encode(const WgmmaDescriptor& d) {
  return (d.start & 0x3ffffu) >> 4 | uint64_t((d.leading & 0x3ffffu) >> 4) << 16 |
         uint64_t((d.stride & 0x3ffffu) >> 4) << 32 | uint64_t(d.base_offset & 7) << 49 | uint64_t(d.swizzle & 3) << 62;
}
constexpr WgmmaDescriptor decode(uint64_t bits) {
  const auto bytes = [bits](unsigned at) { return static_cast<uint32_t>(bits >> at & 0x3fff) << 4; };
  return {bytes(0), bytes(16), bytes(32), static_cast<unsigned>(bits >> 49 & 7), static_cast<unsigned>(bits >> 62)};
}

constexpr uint32_t swizzle_128(uint32_t address) { return address ^ (address >> 7 & 7) << 4; }

/// Address of element (row, k) of an operand with rows along M or N and 0 <= k < 16, 128-byte swizzle.
///   K-major    groups of 8 rows of 128 bytes each, `stride` apart; `leading` is not looked at
///   MN-major   128 bytes hold 64 rows of one k, 8 k make a group; `leading` from 64 rows to the next 64, `stride`
///              from 8 k to the next
constexpr uint32_t element_address(const WgmmaDescriptor& d, Major major, unsigned row, unsigned k) {
  return major == Major::k
             ? swizzle_128(d.start + row / 8 * d.stride + row % 8 * 128 + 2 * k)
             : swizzle_128(d.start + row / 64 * d.leading + row % 64 * 2 + k / 8 * d.stride + k % 8 * 128);
}

/// D [64, N] and A [64, 16] in registers: thread t of the warpgroup, value i. Each warp has 16 rows, in which its lanes
/// hold what those of mma.sync m16n8k16 do; N is cut into blocks of 8 columns.
struct WgmmaM64K16 {
  static constexpr unsigned kThreads = 128, kM = 64, kK = 16, kA = 8;
  static constexpr Cell a(unsigned t, unsigned i) {
    const Cell c = MmaM16N8K16::a(t % 32, i);
    return {t / 32 * 16 + c.row, c.column};
  }
  static constexpr Cell d(unsigned t, unsigned i) {
    const Cell c = MmaM16N8K16::c(t % 32, i % 4);
    return {t / 32 * 16 + c.row, i / 4 * 8 + c.column};
  }
};

}  // namespace glmv::simt
