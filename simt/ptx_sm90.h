// Instructions of sm_90a, one function each, in two bodies as those of simt/ptx.h: tensor loads that report to barriers
// in shared memory, and the matrix instructions of a warpgroup that read shared memory themselves.
//
//   mbarrier_init          one thread; then mbarrier_init_fence by it and a block barrier for all
//   mbarrier_arrive        one arrival; _expect announces bytes first
//   mbarrier_wait          until the phase of that parity is complete (simt/mbarrier.h has the rules)
//   tensor_load_2d, _3d    one thread: a box of a tensor into shared memory, at a multiple of 1024 bytes
//   wgmma                  128 threads, four whole warps: d (+)= A B. wgmma_fence before the first one that touches
//                          registers, wgmma_commit behind a group, wgmma_wait before d is read, shared memory is
//                          overwritten, or registers of A are changed
//   fence_proxy_async      what ordinary stores wrote to shared memory may be read by the two above; then a barrier
//   tensor_map_release     by who wrote maps to device memory; tensor_map_acquire by who then loads with them
//   fewer_registers, more_registers   whole warpgroups
//
// GLMV_HAS_SM90A is 0 where a kernel is compiled for another architecture: its body must not use them then.
#pragma once

#include <cstdint>

#include "simt/tensor_map.h"
#include "simt/wgmma_layout.h"

namespace glmv::ptx {
using simt::Major;
}

#if defined(__CUDACC__)
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define GLMV_HAS_SM90A 1
#include "simt/ptx_sm90_hardware.h"
#include "simt/wgmma_hardware.h"
#else
#define GLMV_HAS_SM90A 0
#endif
#else
#define GLMV_HAS_SM90A 1
#include "simt/ptx_sm90_emulated.h"
#endif
