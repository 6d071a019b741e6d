#include "cuda/backend.h"

#include "cuda/ops.h"
#include "gpu/naive/ops.h"
#include "gpu/runtime.h"

namespace glmv::GLMV_BACKEND {

const Backend& naive_backend() {
  static const Backend backend = backend_with(kEmulated ? "cuda-naive-emulated" : "cuda-naive", naive::ops());
  return backend;
}

const Backend& backend() {
  static const Backend backend = backend_with(kEmulated ? "cuda-emulated" : "cuda", ops());
  return backend;
}

}  // namespace glmv::GLMV_BACKEND
