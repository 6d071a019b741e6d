// Asynchronous copies into shared memory (cp.async), with their waiting rules.
//
// A copy is queued when it is issued and done when its thread waits for it, as late as the hardware may. The facades do
// the copying themselves: their code is seen by the sanitizers.
#pragma once

#include "simt/engine.h"

namespace glmv::simt {

struct PendingCopy {
  void* to;              ///< shared memory
  const void* from;      ///< device memory
  unsigned bytes;        ///< 4, 8 or 16; both addresses are multiples of it
  unsigned valid_bytes;  ///< read from `from`; the rest of `to` becomes zero
  Place place;
};

/// Checks sizes, alignment and spaces, and queues the copy in the open group of the calling thread.
void issue_copy(const PendingCopy& copy);
/// Closes the open group.
void commit_copies();

constexpr unsigned kAllCopies = ~0u;
/// The next copy of the calling thread that must be done when only the `open_groups` last groups may be unfinished
/// (kAllCopies: none, committed or not). Null: no more.
const PendingCopy* next_due_copy(unsigned open_groups);

}  // namespace glmv::simt
