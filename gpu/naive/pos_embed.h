#include "reference/pos_embed.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

namespace glmv::GLMV_BACKEND::naive {
namespace {

/// The sixteen taps of a patch in one channel: along each line, then across the lines.
__device__ float sample_at(const PosEmbedArgs& a, int64_t patch, int64_t d) {
  float sample = 0;
  for (int64_t j = 0; j < 4; ++j) {
    float line = 0;
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t cell = int_at(a.index_y, patch, j) * a.side + int_at(a.index_x, patch, i);
      line += get(a.weight_x, patch, i) * get(a.table, cell, d);
    }
    sample += get(a.weight_y, patch, j) * line;
  }
  return sample;
}

/// One thread per element. The sample takes the table's type, as the library's does.
__global__ void pos_embed_kernel(PosEmbedArgs a, DType sample_type) {
  const int64_t patch = thread_number() / a.out.dim[1], d = thread_number() % a.out.dim[1];
  if (patch >= a.out.dim[0]) return;
  set(a.out, get(a.x, patch, d) + round_to(sample_type, sample_at(a, patch, d)), patch, d);
}

}  // namespace

void pos_embed(const PosEmbedArgs& a, Exec exec) {
  check(a);
  check_type("pos_embed", a.out.dtype);
  const DType sample_type = a.out.dtype == DType::f32 ? DType::f32 : a.table.dtype;
  GLMV_LAUNCH_EACH(pos_embed_kernel, a.out.size(), exec, a, sample_type);
}

}  // namespace glmv::GLMV_BACKEND::naive
