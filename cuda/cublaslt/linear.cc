// linear by cuBLASLt. Descriptors live on the stack, the algorithm is looked up, the workspace is the op's scratch: a
// call allocates nothing.
#include "cuda/cublaslt/linear.h"

#include <mutex>
#include <vector>

#include "cuda/backend.h"
#include "cuda/cublaslt/library.h"
#include "cuda/plan/cublaslt.h"

namespace glmv::cuda::cublaslt {
namespace {

using cuda_plan::ColumnMajor;
using cuda_plan::CublasLtCall;

void succeeded(const char* call, cublasStatus_t status) {
  GLMV_CHECK(status == CUBLAS_STATUS_SUCCESS, call, ": ", library().status_string(status));
}

cublasLtHandle_t handle() {
  static const cublasLtHandle_t made = [] {
    cublasLtHandle_t h = nullptr;
    succeeded("cublasLtCreate", library().create(&h));
    return h;
  }();
  return made;
}

cudaDataType_t data_type(DType t) { return t == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

/// The library's words for a call.
struct Problem {
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t w, x, out;

  Problem(const CublasLtCall& c, const void* bias) {
    succeeded("cublasLtMatmulDescInit",
              library().product_init(&product, sizeof(product), CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, c.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);
    if (c.bias) {
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(data_type(c.out_type)));
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    layout(w, CUDA_R_16BF, c.w);
    layout(x, CUDA_R_16BF, c.x);
    layout(out, data_type(c.out_type), c.out);
  }

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, T value) {
    succeeded("cublasLtMatmulDescSetAttribute", library().product_set(&product, attribute, &value, sizeof(value)));
  }
  static void layout(cublasLtMatrixLayoutOpaque_t& to, cudaDataType_t type, const ColumnMajor& m) {
    succeeded("cublasLtMatrixLayoutInit", library().layout_init(&to, sizeof(to), type, static_cast<uint64_t>(m.rows),
                                                                static_cast<uint64_t>(m.columns), m.leading));
  }
};

/// How the heuristic may choose. Partial sums stay in f32 and are added in one order: with any other scheme a sum would
/// be rounded twice, or in another way from run to run.
struct Preference {
  cublasLtMatmulPreferenceOpaque_t value;

  explicit Preference(const CublasLtCall& c) {
    succeeded("cublasLtMatmulPreferenceInit", library().preference_init(&value, sizeof(value)));
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{cuda_plan::kMostWorkspace});
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, uint32_t{16});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, uint32_t{16});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(c.out_alignment));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(c.out_alignment));
  }

 private:
  template <class T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, T given) {
    succeeded("cublasLtMatmulPreferenceSetAttribute",
              library().preference_set(&value, attribute, &given, sizeof(given)));
  }
};

struct Choice {
  CublasLtCall call;
  cublasLtMatmulAlgo_t algorithm;
  size_t workspace;
};

Choice choose(const CublasLtCall& c, const void* bias) {
  Problem p(c, bias);
  Preference preference(c);
  cublasLtMatmulHeuristicResult_t found = {};
  int count = 0;
  const cublasStatus_t status =
      library().heuristic(handle(), &p.product, &p.w, &p.x, &p.out, &p.out, &preference.value, 1, &found, &count);
  succeeded("cublasLtMatmulAlgoGetHeuristic", status);
  GLMV_CHECK(count == 1 && found.state == CUBLAS_STATUS_SUCCESS, "cuBLASLt has no algorithm for out [", c.out.columns,
             ", ", c.out.rows, "] of sums of ", c.w.rows);
  return {c, found.algo, found.workspaceSize};
}

/// The same answer every time, from the first time on. A model has a few dozen shapes: a list will do.
Choice choice_for(const CublasLtCall& c, const void* bias) {
  static std::mutex mutex;
  static std::vector<Choice> choices;
  const std::lock_guard<std::mutex> lock(mutex);
  for (const Choice& known : choices) {
    if (known.call == c) return known;
  }
  choices.push_back(choose(c, bias));
  return choices.back();
}

/// Room to begin at a multiple of what the library wants.
size_t padded(size_t workspace) { return workspace == 0 ? 0 : workspace + cuda_plan::kWorkspaceAlignment; }

void* aligned(void* scratch) {
  const auto at = reinterpret_cast<uintptr_t>(scratch), unit = uintptr_t{cuda_plan::kWorkspaceAlignment};
  return reinterpret_cast<void*>((at + unit - 1) / unit * unit);
}

}  // namespace

size_t linear_scratch(const LinearArgs& a) {
  const CublasLtCall c = cuda_plan::plan_cublaslt(a);
  if (c.rule != nullptr) return backend().ops.linear.scratch_bytes(a);
  return padded(choice_for(c, a.bias.data).workspace);
}

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  const CublasLtCall c = cuda_plan::plan_cublaslt(a);
  if (c.rule != nullptr) return backend().ops.linear.run(a, exec);
  const Choice choice = choice_for(c, a.bias.data);
  GLMV_CHECK(exec.scratch.bytes >= padded(choice.workspace), "linear needs ", padded(choice.workspace),
             " bytes of scratch, got ", exec.scratch.bytes);
  Problem p(c, a.bias.data);
  const float one = 1, zero = 0;
  succeeded("cublasLtMatmul", library().matmul(handle(), &p.product, &one, a.w.data.data, &p.w, a.x.data, &p.x, &zero,
                                               a.out.data, &p.out, a.out.data, &p.out, &choice.algorithm,
                                               choice.workspace == 0 ? nullptr : aligned(exec.scratch.data),
                                               choice.workspace, static_cast<cudaStream_t>(exec.stream.handle)));
}

}  // namespace glmv::cuda::cublaslt
