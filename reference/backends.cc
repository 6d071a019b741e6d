#include "reference/backends.h"

#include <string>

#include "cuda/backend.h"
#include "cuda/cublaslt/backend.h"
#include "hip/backend.h"

namespace glmv {

const std::vector<const Backend*>& linked_backends() {
  static const std::vector<const Backend*> backends{
      &cpu_backend(),
      &cuda_emulated::naive_backend(),
      &cuda_emulated::backend(),
      &cuda_emulated::wgmma_backend(),
#ifdef GLMV_HAS_CUDA
      &cuda::naive_backend(),
      &cuda::backend(),
      &cuda::wgmma_backend(),
#endif
#ifdef GLMV_HAS_CUBLASLT
      &cuda::cublaslt_backend(),
#endif
      &hip_emulated::naive_backend(),
      &hip_emulated::backend(),
#ifdef GLMV_HAS_HIP
      &hip::naive_backend(),
      &hip::backend(),
#endif
  };
  return backends;
}

std::string absence(const Backend& b) { return b.absence == nullptr ? "" : b.absence(); }

const Backend& present(const Backend& b) {
  const std::string why = absence(b);
  if (!why.empty()) throw Error(ExitCode::no_device, concat("backend '", b.name, "': ", why));
  return b;
}

const Backend& find_backend(std::string_view name) {
  std::string names;
  for (const Backend* b : linked_backends()) {
    if (b->name == name) return present(*b);
    names += concat(names.empty() ? "" : ", ", b->name);
  }
  throw Error(ExitCode::no_device, concat("backend '", name, "' is not in this build; there are: ", names));
}

}  // namespace glmv
