#include "gpu/expert_table.h"

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kPerLaunch = 64;  // pointers that travel as kernel arguments: 1 KiB

struct Chunk {
  ExpertPointers of_expert[kPerLaunch];
};

__global__ void write_table_kernel(Chunk chunk, ExpertPointers* table, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) table[i] = chunk.of_expert[i];
}

/// Throws unless this expert's matrix is like the first one's.
void check_alike(const Weight& w, const Weight& first) {
  GLMV_CHECK(w.format == first.format && w.data.dtype == first.data.dtype && w.rows() == first.rows() &&
                 w.cols() == first.cols() && w.data.stride[0] == first.data.stride[0] && w.data.stride[1] == 1,
             "experts are not alike: ", w, " and ", first);
  GLMV_CHECK(w.format == Format::plain || (w.format == Format::fp8_per_row && w.scale.stride[0] == 1), "scales of ", w,
             " are not adjacent");
}

void write_one(const Weight* weights, int64_t count, ExpertPointers* table, Exec exec) {
  for (int64_t begin = 0; begin < count; begin += kPerLaunch) {
    const int here = static_cast<int>(count - begin < kPerLaunch ? count - begin : kPerLaunch);
    Chunk chunk = {};
    for (int i = 0; i < here; ++i) {
      const Weight& w = weights[begin + i];
      check_alike(w, weights[0]);
      const bool scaled = w.format == Format::fp8_per_row;
      chunk.of_expert[i] = {w.data.data, scaled ? static_cast<const float*>(w.scale.data) : nullptr};
    }
    GLMV_LAUNCH(write_table_kernel, dim3(1), dim3(kPerLaunch), 0, exec, chunk, table + begin, here);
  }
}

ExpertMatrices matrices_of(const Weight* weights, int64_t count, const ExpertPointers* table) {
  return {table, count, weights[0].rows(), weights[0].cols(), weights[0].data.stride[0], weights[0].data.dtype};
}

}  // namespace

size_t experts_bytes(const ExpertWeights& experts) {
  return (3 * static_cast<size_t>(experts.count) * sizeof(ExpertPointers) + 255) / 256 * 256;
}

void write_experts(const ExpertWeights& experts, void* table, Stream stream) {
  auto* at = static_cast<ExpertPointers*>(table);
  for (const Weight* weights : {experts.gate, experts.up, experts.down}) {
    write_one(weights, experts.count, at, Exec{stream, {}});
    at += experts.count;
  }
}

size_t expert_table_scratch(const ExpertWeights& experts) {
  return experts.table == nullptr ? experts_bytes(experts) : 0;
}

ExpertTable expert_table(const ExpertWeights& experts, Exec exec) {
  if (experts.table == nullptr) write_experts(experts, exec.scratch.data, exec.stream);
  const auto* table = static_cast<const ExpertPointers*>(experts.table ? experts.table : exec.scratch.data);
  const int64_t n = experts.count;
  return {matrices_of(experts.gate, n, table), matrices_of(experts.up, n, table + n),
          matrices_of(experts.down, n, table + 2 * n)};
}

}  // namespace glmv::GLMV_BACKEND
