// Kernels with one deliberate mistake each, by name, and a few correct ones that look suspicious.
#pragma once

#include <cstddef>

namespace glmv {

struct Mistake {
  const char* name;
  /// Launches it on `count` floats of device memory. Null, or the text of the error.
  const char* (*run)(float* data, int count);
};

}  // namespace glmv

#define GLMV_DECLARE_MISTAKES(backend, list) \
  namespace glmv::backend {                  \
  extern const Mistake list[];               \
  extern const size_t list##_count;          \
  }
