#include "cuda/cublaslt/library.h"

#include <dlfcn.h>

#include "reference/core/error.h"

namespace glmv::cuda::cublaslt {
namespace {

struct Loaded {
  Library functions = {};
  std::string absence;

  Loaded() {
    const std::string name = concat("libcublasLt.so.", CUBLAS_VER_MAJOR);
    void* const file = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const here =
        file != nullptr ? file : dlopen(GLMV_CUBLASLT, RTLD_NOW | RTLD_LOCAL);  // where the build found it
    if (here == nullptr) {
      absence = concat("no cuBLASLt: ", dlerror());
      return;
    }
    find(here, "cublasLtCreate", functions.create);
    find(here, "cublasLtGetStatusString", functions.status_string);
    find(here, "cublasLtMatmulDescInit_internal", functions.product_init);
    find(here, "cublasLtMatmulDescSetAttribute", functions.product_set);
    find(here, "cublasLtMatrixLayoutInit_internal", functions.layout_init);
    find(here, "cublasLtMatmulPreferenceInit_internal", functions.preference_init);
    find(here, "cublasLtMatmulPreferenceSetAttribute", functions.preference_set);
    find(here, "cublasLtMatmulAlgoGetHeuristic", functions.heuristic);
    find(here, "cublasLtMatmul", functions.matmul);
  }

 private:
  template <class Function>
  void find(void* file, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(file, name));
    if (function == nullptr && absence.empty()) absence = concat("cuBLASLt has no ", name);
  }
};

const Loaded& loaded() {
  static const Loaded l;
  return l;
}

}  // namespace

const std::string& library_absence() { return loaded().absence; }

const Library& library() {
  if (!loaded().absence.empty()) throw Error(ExitCode::no_device, loaded().absence);
  return loaded().functions;
}

}  // namespace glmv::cuda::cublaslt
