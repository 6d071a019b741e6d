// The matrix instructions: D = A B + C by all lanes of a warp together. Operands are the registers of the calling lane;
// simt/lane_tables.h says which elements they hold.
//
// Products are exact in f32; they are added to C one after another in ascending k, each sum rounded to f32. The
// hardware adds in another order and, on some machines, with fewer bits: compare with a tolerance, not bit by bit.
#pragma once

#include "simt/engine.h"

namespace glmv::simt {

/// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
void mma_m16n8k16_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4], Place place);
/// mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32
void mma_m16n8k32_e4m3(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4], Place place);

/// ldmatrix .x1 .x2 .x4 (count), .trans. Lanes 8j..8j+7 name the rows of tile j; `row` is a copy of the 16 bytes this
/// lane names. The facade makes it, so that reading shared memory is seen by the sanitizers; other lanes' is not looked
/// at.
void ldmatrix(uint32_t* out, unsigned count, bool transposed, const void* row, Place place);
/// The row itself must be 16 aligned bytes of shared memory.
void check_ldmatrix_row(const void* row, Place place);

// AMD, wave 64. Subnormal inputs keep their value (MI200 flushes them to zero).
/// v_mfma_f32_16x16x16_bf16 and v_mfma_f32_32x32x8_bf16; a and b are bits of bf16.
void mfma_16x16x16_bf16(float d[4], const uint16_t a[4], const uint16_t b[4], const float c[4], Place place);
void mfma_32x32x8_bf16(float d[16], const uint16_t a[4], const uint16_t b[4], const float c[16], Place place);
/// v_mfma_f32_16x16x32_fp8_fp8 and v_mfma_f32_32x32x16_fp8_fp8 of gfx940 to gfx942: E4M3 FNUZ, half of what the same
/// bits mean in OCP E4M3, and 0x80 is NaN.
void mfma_16x16x32_fp8(float d[4], uint64_t a, uint64_t b, const float c[4], Place place);
void mfma_32x32x16_fp8(float d[16], uint64_t a, uint64_t b, const float c[16], Place place);

}  // namespace glmv::simt
