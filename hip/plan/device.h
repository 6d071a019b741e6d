// What a planner knows of the device it plans for. Planners are ordinary C++: they are tested without a GPU.
#pragma once

#include <cstddef>
#include <string_view>

namespace glmv::hip_plan {

/// The defaults are those of an MI300X.
struct Device {
  int compute_units = 304;
  size_t lds_bytes = size_t{64} * 1024;  ///< most that one block may have, and all that a compute unit of CDNA has
  int dies = 8;                          ///< that blocks are dealt out to in turn, each with a cache of its own
  int wave = 64;                         ///< lanes: 64 on CDNA, 32 on RDNA
  bool mfma = true;                      ///< has matrix instructions of a wave of 64: CDNA 2 and later
};

/// "gfx90a:sramecc+:xnack-" and the like: whether simt/mfma.h has bodies for it.
bool has_mfma(std::string_view gcn_arch);
/// 8 for an MI300X; an MI300A has 6 and loses some of its cache.
int dies_of(std::string_view gcn_arch);

}  // namespace glmv::hip_plan
