#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// advance: makes the next decode step of B sequences out of the last one and the tokens that were chosen after it, so
/// that nothing of it has to come from the host. With n = lengths[b]:
///     ids_out[b] = next[b]   positions_out[:, b] = positions[:, b] + 1   lengths_out[b] = n + 1
///     slots_out[b] = page_table[b, n / page] * page + n % page
/// Shapes   next, lengths [B]   positions [3, B]   page_table [B, pages]   outputs alike, slots_out [B]
/// Types    i32
/// Layout   free; an output may be the input that it follows from
/// Errors   Error on any mismatch above, or a token beyond the pages (a device cannot throw: slot -1)
/// Cost     reads and writes some numbers per sequence
/// Source   our paged cache
struct AdvanceArgs {
  ConstTensorView next, positions, lengths, page_table;
  int64_t page_size = 0;  ///< tokens
  TensorView ids_out, positions_out, lengths_out, slots_out;
};
void check(const AdvanceArgs&);

namespace ref {
void advance(const AdvanceArgs&, Exec);
}
}  // namespace glmv
