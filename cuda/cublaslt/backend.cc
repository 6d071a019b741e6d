#include "cuda/cublaslt/backend.h"

#include "cuda/backend.h"
#include "cuda/cublaslt/library.h"
#include "cuda/cublaslt/linear.h"

namespace glmv::cuda {

namespace {

/// The device first: without one the library is not even loaded.
std::string absence() {
  const std::string why = backend().absence();
  return why.empty() ? cublaslt::library_absence() : why;
}

}  // namespace

const Backend& cublaslt_backend() {
  static const Backend with_library = [] {
    Backend b = backend();
    b.name = "cuda-cublaslt";
    b.ops.linear = {cublaslt::linear, cublaslt::linear_scratch};
    b.absence = absence;
    return b;
  }();
  return with_library;
}

}  // namespace glmv::cuda
