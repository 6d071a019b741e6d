// The one primitive behind shuffle, ballot, warp barrier and matrix instructions: the lanes of a mask meet, the last
// one computes the results of all.
#pragma once

#include "simt/engine/block.h"

namespace glmv::simt {

/// What the operation sees when all lanes have arrived.
struct Lanes {
  void* const* slots;  ///< by lane: what it deposited; only lanes of the mask
  uint64_t mask;
  unsigned width;
  Place place;
  const Warp* warp;

  bool has(unsigned lane) const { return lane < width && ((mask >> lane) & 1) != 0; }
  template <class Slot>
  Slot& at(unsigned lane) const {
    return *static_cast<Slot*>(slots[lane]);
  }
  /// Stops the launch; the report names the thread of `lane`.
  [[noreturn]] void fail(unsigned lane, const std::string& what) const;
};

struct Operation {
  const char* name;
  void (*compute)(const Lanes& lanes);  ///< null: nothing but the meeting
  unsigned width = 0;                   ///< of the warp it is defined for, all of which must take part; 0 = any
  const char* hip_name = nullptr;       ///< in reports of HIP kernels, where it differs
};

/// All lanes of `mask` must come here with the same operation, mask and place. `slot` is the lane's operands and
/// result.
void collective(const Operation& operation, uint64_t mask, void* slot, Place place);

}  // namespace glmv::simt
