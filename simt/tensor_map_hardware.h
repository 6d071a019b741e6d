// simt/tensor_map.h for nvcc. The driver's function is asked for at run time, so nothing links the driver.
#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

namespace glmv::ptx {

using TensorMap = CUtensorMap;

namespace detail {
using EncodeTiled = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*,
                                 const cuuint64_t*, const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave,
                                 CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/// Null: the driver has no such function, it is older than CUDA 12.0.
inline EncodeTiled encode_tiled() {
  static const EncodeTiled function = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    constexpr unsigned kFirstVersion = 12000;
#if CUDART_VERSION >= 12050
    const cudaError_t error =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, kFirstVersion, cudaEnableDefault, &result);
#else
    static_assert(kFirstVersion <= CUDART_VERSION, "tensor maps came with CUDA 12.0");
    const cudaError_t error = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &result);
#endif
    return error == cudaSuccess && result == cudaDriverEntryPointSuccess ? reinterpret_cast<EncodeTiled>(found)
                                                                         : nullptr;
  }();
  return function;
}
}  // namespace detail

/// "", or why there can be no such map.
inline std::string encode(TensorMap& map, const BoxedTensor& t) {
  if (std::string why = refusal(t); !why.empty()) return why;
  const detail::EncodeTiled encode_tiled = detail::encode_tiled();
  if (encode_tiled == nullptr) return "the driver has no cuTensorMapEncodeTiled";
  const cuuint32_t every[3] = {1, 1, 1};
  const CUresult result =
      encode_tiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, t.rank, const_cast<void*>(t.data), t.extent, t.stride + 1,
                   t.box, every, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                   CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? "" : concat("cuTensorMapEncodeTiled: code ", static_cast<int>(result));
}

}  // namespace glmv::ptx
