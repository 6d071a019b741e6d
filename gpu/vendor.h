// The vendor's runtime header: AMD's for a .hip file, in the emulator and under nvcc too (GLMV_GPU_HIP), else NVIDIA's.
#pragma once

#if defined(__HIPCC__) || defined(GLMV_GPU_HIP)
#include <hip/hip_runtime.h>
#else
#include <cuda_runtime.h>
#endif

#include "simt/gpu.h"
