// Barriers in shared memory (mbarrier) and the tensor loads (TMA) that report to them.
//
// A barrier has phases, counted from 0. A phase is complete when `count` arrivals have been made and all expected bytes
// have come; the next one begins at once. Waiting for parity p passes when the last completed phase had parity p, or
// when nothing is complete and p is 1. A load is done when somebody waits for its barrier, as late as the hardware may;
// the facade does the copying, so the sanitizers see it.
//
// Stricter than hardware on purpose: bytes must be expected before a load that brings them is issued.
#pragma once

#include "simt/engine.h"
#include "simt/tensor_map.h"

namespace glmv::simt {

struct TensorLoad {
  void* to;       ///< shared memory, a multiple of 128
  void* barrier;  ///< what was initialised there
  ptx::BoxedTensor tensor;
  int at[3];  ///< first index of the box along each axis; may lie outside
  Place place;
};

/// Returns what must be stored at `barrier`, and be found there by every later call.
uint64_t mbarrier_init(void* barrier, unsigned count, Place place);
/// One arrival of the calling thread, which first announces so many bytes.
void mbarrier_arrive(void* barrier, uint64_t stored, unsigned expected_bytes, Place place);
/// What issue_load demands; to be called before the destination is touched.
void check_load(const TensorLoad& load, uint64_t stored);
void issue_load(const TensorLoad& load, uint64_t stored);
/// A load in flight that reports to this barrier, for the caller to do; false: none.
bool next_load(void* barrier, uint64_t stored, TensorLoad& load, Place place);
/// The bytes of a load that next_load gave have come.
void finish_load(const TensorLoad& load);
/// True: the phase is complete. False: something has happened since, look for loads and ask again.
bool mbarrier_wait(void* barrier, uint64_t stored, unsigned parity, Place place);

}  // namespace glmv::simt
