#include "reference/advance.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// One thread per sequence. A token beyond the pages gets slot -1, which is not written: a kernel cannot throw.
__global__ void advance_kernel(AdvanceArgs a) {
  const int64_t b = thread_number();
  if (b >= a.next.dim[0]) return;
  const int32_t length = int_at(a.lengths, b);
  const int64_t page = length / a.page_size;
  const bool known = length >= 0 && page < a.page_table.dim[1];
  int_at(a.ids_out, b) = int_at(a.next, b);
  for (int64_t axis = 0; axis < 3; ++axis) int_at(a.positions_out, axis, b) = int_at(a.positions, axis, b) + 1;
  int_at(a.slots_out, b) =
      known ? static_cast<int32_t>(int_at(a.page_table, b, page) * a.page_size + length % a.page_size) : -1;
  int_at(a.lengths_out, b) = length + 1;
}

}  // namespace

void advance(const AdvanceArgs& a, Exec exec) {
  check(a);
  GLMV_LAUNCH_EACH(advance_kernel, a.next.dim[0], exec, a);
}

}  // namespace glmv::GLMV_BACKEND::naive
