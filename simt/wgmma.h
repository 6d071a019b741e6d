// wgmma.mma_async m64nNk16 of bf16: D [64, N] += A [64, 16] B [16, N] by the 128 threads of a warpgroup.
//
// An instruction is queued when it is issued and computed when its thread waits for its group, as late as the hardware
// may; until then the thread's registers of D hold NaN. What it needs of its warp (agreement, A in registers) is
// gathered when it is issued. The facade computes, so the sanitizers see which shared memory is read, and when.
#pragma once

#include "simt/engine.h"
#include "simt/wgmma_layout.h"

namespace glmv::simt {

struct Wgmma {
  float* d;    ///< the calling thread's N / 2 registers
  unsigned n;  ///< columns
  bool accumulate;
  bool a_in_registers;
  Major b_major;
  uint64_t a, b;  ///< descriptors; `a` where it is in shared memory, K-major
  Place place;
  uint16_t a_rows[2][16];  ///< bf16 of the thread's two rows, filled in by issue_wgmma where A is in registers
};

/// All lanes of the warp at one place, and the warps of the warpgroup in the same order. `a_registers`: 4 words, or
/// null.
void issue_wgmma(Wgmma wgmma, const uint32_t* a_registers);
/// Orders what the thread did to registers before what later instructions do to them; one must stand between a wait (or
/// the beginning) and the next instruction.
void wgmma_fence();
void wgmma_commit();

/// An instruction to be computed now, and the sums to which it adds.
struct DueWgmma {
  const Wgmma* instruction;
  float* sums;
};
/// The next that must be done when only the last `open_groups` groups may be unfinished; false: no more, and registers
/// of D that nothing in flight will change have their values.
bool next_due_wgmma(unsigned open_groups, DueWgmma& due);
/// The end of a wait, at which the lanes of a warp meet: what one of them does next, none of the others may still read.
void wgmma_waited(Place place);

/// fence.proxy.async: what the thread's finished cp.async wrote may be read by wgmma.
void fence_proxy();

/// 18-bit address of a place in shared memory, as descriptors have it, and back. The second is an error for what is not
/// shared memory.
uint32_t shared_address(const void* p);
const void* shared_place(uint32_t address, unsigned bytes, Place place);

}  // namespace glmv::simt
