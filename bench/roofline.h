// The roofline: the time below which a kernel can't come on a device.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reference/core/cost.h"
#include "reference/core/dtype.h"

namespace glmv::bench {

/// What a device does at most: measured in this process, or as its datasheet says. 0 = not known.
struct Peaks {
  std::string source;                                 ///< "measured", "H200 SXM datasheet"
  double read_bytes_per_s = 0, copy_bytes_per_s = 0;  ///< a copy counts bytes read and written
  double f32_flops_per_s = 0, bf16_flops_per_s = 0, fp8_flops_per_s = 0;

  double bandwidth() const { return read_bytes_per_s > copy_bytes_per_s ? read_bytes_per_s : copy_bytes_per_s; }
  /// Of products whose operands have this type; where none is known, of the nearest wider type that is.
  double flops_per_s(DType type) const;
};

enum class Bound : uint8_t { memory, compute };

/// max(flops / peak, bytes / bandwidth). A side whose peak is 0 does not count; all 0 if no peak is known.
struct Roofline {
  double seconds = 0;
  Bound bound = Bound::memory;
};
Roofline roofline(const Cost& cost, const Peaks& peaks, DType type);

/// The higher of each; `source` is the second's.
Peaks best_of(const Peaks& a, const Peaks& b);

/// Operations per byte.
inline double intensity(const Cost& cost) { return cost.bytes > 0 ? cost.flops / cost.bytes : 0; }

/// Datasheet figures (dense, no sparsity) of a device by a part of its name; source "" if it is not in the list.
Peaks datasheet(std::string_view device);

}  // namespace glmv::bench
