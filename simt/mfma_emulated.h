// Bodies of simt/mfma.h for the emulator.
#pragma once

#include "simt/facade/common/qualifiers.h"
#include "simt/matrix.h"

namespace glmv::mfma {

inline void mfma_16x16x16_bf16(float (&d)[4], const uint16_t (&a)[4], const uint16_t (&b)[4], const float (&c)[4],
                               GLMV_SIMT_HERE) {
  simt::mfma_16x16x16_bf16(d, a, b, c, place);
}
inline void mfma_32x32x8_bf16(float (&d)[16], const uint16_t (&a)[4], const uint16_t (&b)[4], const float (&c)[16],
                              GLMV_SIMT_HERE) {
  simt::mfma_32x32x8_bf16(d, a, b, c, place);
}
inline void mfma_16x16x32_fp8(float (&d)[4], uint64_t a, uint64_t b, const float (&c)[4], GLMV_SIMT_HERE) {
  simt::mfma_16x16x32_fp8(d, a, b, c, place);
}
inline void mfma_32x32x16_fp8(float (&d)[16], uint64_t a, uint64_t b, const float (&c)[16], GLMV_SIMT_HERE) {
  simt::mfma_32x32x16_fp8(d, a, b, c, place);
}

}  // namespace glmv::mfma
