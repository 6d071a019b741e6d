// cuBLASLt, loaded when it is first needed. Linking it would cost every start of the program 0.4 s and 200 MB, and no
// machine without the library could start it.
#pragma once

#include <cublasLt.h>

#include <string>

namespace glmv::cuda::cublaslt {

/// The functions we use, under the library's names.
struct Library {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtGetStatusString) status_string;
  decltype(&cublasLtMatmulDescInit_internal) product_init;
  decltype(&cublasLtMatmulDescSetAttribute) product_set;
  decltype(&cublasLtMatrixLayoutInit_internal) layout_init;
  decltype(&cublasLtMatmulPreferenceInit_internal) preference_init;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&cublasLtMatmul) matmul;
};

/// Error: library_absence().
const Library& library();
/// Why it cannot be loaded here, in one line; "" if it can.
const std::string& library_absence();

}  // namespace glmv::cuda::cublaslt
