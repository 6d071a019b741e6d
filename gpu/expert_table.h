// Where each expert's matrices lie, as a kernel can read it. The host has an array of weights; kernels need their
// pointers in device memory, written there by a kernel too, so that nothing waits and a graph can capture it.
#pragma once

#include "gpu/elements.h"
#include "reference/core/weight.h"

namespace glmv::GLMV_BACKEND {

/// One expert's matrix: rows of the stored type, and a scale per row if they are FP8.
struct ExpertPointers {
  const void* data;
  const float* scale;
};

/// All experts' matrices of one kind, [experts, rows, columns].
struct ExpertMatrices {
  const ExpertPointers* of_expert;  ///< in device memory
  int64_t experts, rows, columns;
  int64_t row_stride;  ///< elements
  DType dtype;

  __device__ float at(int64_t expert, int64_t row, int64_t column) const {
    const ExpertPointers p = of_expert[expert];
    const float value = load(p.data, dtype, row * row_stride + column);
    return p.scale == nullptr ? value : value * p.scale[row];
  }
};

struct ExpertTable {
  ExpertMatrices gate, up, down;
};

/// Bytes of a table, a multiple of 256.
size_t experts_bytes(const ExpertWeights& experts);
/// Writes the table. Error: experts that differ in type, format or layout.
void write_experts(const ExpertWeights& experts, void* table, Stream stream);

/// Scratch memory that expert_table wants: none for experts that have a table.
size_t expert_table_scratch(const ExpertWeights& experts);
/// The experts' table: their own, or one written to the beginning of the op's scratch memory.
ExpertTable expert_table(const ExpertWeights& experts, Exec exec);

}  // namespace glmv::GLMV_BACKEND
