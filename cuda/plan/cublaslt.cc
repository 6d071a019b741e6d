#include "cuda/plan/cublaslt.h"

#include "cuda/plan/linear.h"

namespace glmv::cuda_plan {
namespace {

int alignment_of(const void* p) {
  int bytes = 16;
  while (reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes) != 0) bytes /= 2;
  return bytes;
}

/// A matrix with adjacent columns, as the library sees it. The stride of a single row says nothing.
ColumnMajor transposed(const ConstTensorView& v) { return {v.dim[1], v.dim[0], v.dim[0] > 1 ? v.stride[0] : v.dim[1]}; }

const char* refusal(const LinearArgs& a) {
  if (!has_fast_path(a)) return "types or strides that only the plain rung takes";
  if (a.x.dim[0] == 0 || a.w.rows() == 0) return "nothing to compute";
  if (!a.bias) return nullptr;
  if (a.bias.dtype != a.out.dtype) return "a bias of another type than the output";
  if (a.bias.dim[0] > 1 && a.bias.stride[0] != 1) return "a bias with gaps";
  return nullptr;
}

}  // namespace

CublasLtCall plan_cublaslt(const LinearArgs& a) {
  CublasLtCall c;
  c.rule = refusal(a);
  if (c.rule != nullptr) return c;
  c.w = transposed(a.w.data);
  c.x = transposed(a.x);
  c.out = transposed(a.out);
  c.out_type = a.out.dtype;
  c.out_alignment = alignment_of(a.out.data);
  c.bias = static_cast<bool>(a.bias);
  if (c.bias) c.bias_alignment = alignment_of(a.bias.data);
  return c;
}

}  // namespace glmv::cuda_plan
