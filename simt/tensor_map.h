// What a tensor load (TMA) knows of the tensor it reads: a description made on the host before the launch, handed to
// the kernel as a `const __grid_constant__ ptx::TensorMap` parameter. On a GPU it is the driver's CUtensorMap, in the
// emulator the description itself.
//
// Elements are bf16, a row of a box is 128 bytes, and boxes land in shared memory with the 128-byte swizzle
// (simt/wgmma_layout.h). What a box covers beyond the tensor becomes zero.
#pragma once

#include <cstdint>
#include <string>

#include "reference/core/error.h"

namespace glmv::ptx {

constexpr unsigned kBoxColumns = 64;  ///< bf16 in 128 bytes

/// `rank` axes, 2 or 3, the innermost (adjacent elements) first.
struct BoxedTensor {
  const void* data = nullptr;
  unsigned rank = 2;
  uint64_t extent[3] = {1, 1, 1};  ///< elements
  uint64_t stride[3] = {2, 0, 0};  ///< bytes from one index of the axis to the next
  uint32_t box[3] = {kBoxColumns, 1, 1};

  unsigned box_bytes() const { return 2 * box[0] * box[1] * box[2]; }
};

/// Why the driver would refuse the map, or "".
inline std::string refusal(const BoxedTensor& t) {
  constexpr uint64_t kMostExtent = uint64_t{1} << 32, kMostStride = uint64_t{1} << 40;
  if (t.rank != 2 && t.rank != 3) return concat("a tensor of rank ", t.rank);
  if (reinterpret_cast<uintptr_t>(t.data) % 16 != 0) return concat("address ", t.data, " is not aligned to 16 bytes");
  if (t.box[0] != kBoxColumns) return concat("boxes of ", t.box[0], " columns: the swizzle wants ", kBoxColumns);
  for (unsigned i = 0; i < t.rank; ++i) {
    if (t.extent[i] == 0 || t.extent[i] > kMostExtent) return concat("extent ", t.extent[i], " of axis ", i);
    if (t.box[i] == 0 || t.box[i] > 256) return concat("box of ", t.box[i], " along axis ", i);
    if (i > 0 && (t.stride[i] == 0 || t.stride[i] % 16 != 0 || t.stride[i] >= kMostStride))
      return concat("stride of ", t.stride[i], " bytes along axis ", i);
  }
  return "";
}

}  // namespace glmv::ptx

#if defined(__CUDACC__)
#include "simt/tensor_map_hardware.h"
#else
namespace glmv::ptx {

struct alignas(64) TensorMap {
  BoxedTensor tensor;
};

/// "", or why there can be no such map.
inline std::string encode(TensorMap& map, const BoxedTensor& t) {
  map.tensor = t;
  return refusal(t);
}

}  // namespace glmv::ptx
#endif
