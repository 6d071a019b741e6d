#include "hip/backend.h"

#include "gpu/naive/ops.h"
#include "gpu/runtime.h"
#include "hip/ops.h"

namespace glmv::GLMV_BACKEND {

const Backend& naive_backend() {
  static const Backend backend = backend_with(kEmulated ? "hip-naive-emulated" : "hip-naive", naive::ops());
  return backend;
}

const Backend& backend() {
  static const Backend backend = backend_with(kEmulated ? "hip-emulated" : "hip", ops());
  return backend;
}

}  // namespace glmv::GLMV_BACKEND
