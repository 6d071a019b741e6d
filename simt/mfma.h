// AMD's matrix instructions of a wave of 64, one function each: builtins on the targets that have them, the emulator's
// collective otherwise. Lane tables: simt/lane_tables.h. On a target without them (another width, an NVIDIA GPU) the
// functions are absent and GLMV_HAS_MFMA, GLMV_HAS_MFMA_FP8 are 0: the launcher takes another kernel.
//
// d = a b + c. bf16: a, b are bits of four bf16 neighbours along K. fp8: eight E4M3 FNUZ values along K.
#pragma once

#include <cstdint>

#if defined(__HIPCC__) || defined(__CUDACC__)
#if defined(__gfx90a__) || defined(__gfx940__) || defined(__gfx941__) || defined(__gfx942__)
#define GLMV_HAS_MFMA 1
#else
#define GLMV_HAS_MFMA 0
#endif
#if defined(__gfx940__) || defined(__gfx941__) || defined(__gfx942__)
#define GLMV_HAS_MFMA_FP8 1
#else
#define GLMV_HAS_MFMA_FP8 0
#endif
#include "simt/mfma_hardware.h"
#else
#define GLMV_HAS_MFMA 1
#define GLMV_HAS_MFMA_FP8 1
#include "simt/mfma_emulated.h"
#endif
