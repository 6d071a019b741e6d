// NVIDIA instructions that C++ has no word for, one function each, in two bodies: inline PTX under nvcc, the emulator's
// collective otherwise. Lane tables: simt/lane_tables.h.
//
// mma_*, ldmatrix_*: all 32 lanes of the warp, at one place. cp_async_*: per thread; what was copied is there after
// cp_async_wait, for other threads after a barrier behind it.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#include "simt/ptx_hardware.h"
#else
#include "simt/ptx_emulated.h"
#endif
