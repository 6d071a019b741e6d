// Every code of E4M3 at every place among eight, as the HIP kernels widen them, against the conversion of core.
#define GLMV_BACKEND hip_fp8_test
#define GLMV_GPU_HIP 1
#include "hip/fp8.h"

#include <gtest/gtest.h>

#include <cmath>

namespace glmv {
namespace {

TEST(Fp8, EveryCodeIsWidenedExactlyAtEveryPlace) {
  for (unsigned code = 0; code < 256; ++code) {
    f8e4m3 stored;
    stored.bits = static_cast<uint8_t>(code);
    const auto want = static_cast<float>(stored);
    for (int at = 0; at < 8; ++at) {
      uint32_t codes[2] = {0x39b80186u, 0x7e00fe81u};  // others: normal, subnormal, the largest, zero
      codes[at / 4] = (codes[at / 4] & ~(0xffu << (8 * (at % 4)))) | code << (8 * (at % 4));
      float values[8];
      uint32_t pairs[4];
      hip_fp8_test::widen_codes(codes, values);
      hip_fp8_test::widen_codes(codes, pairs);
      for (int i = 0; i < 8; ++i) {
        f8e4m3 other;
        other.bits = static_cast<uint8_t>(codes[i / 4] >> (8 * (i % 4)));
        const auto exact = i == at ? want : static_cast<float>(other);
        bf16 half;
        half.bits = static_cast<uint16_t>(pairs[i / 2] >> (16 * (i % 2)));
        if (std::isnan(exact)) {
          EXPECT_TRUE(std::isnan(values[i]) && std::isnan(static_cast<float>(half))) << code << " at " << at;
        } else {
          EXPECT_EQ(__float_as_uint(values[i]), __float_as_uint(exact)) << code << " at " << at << ", " << i;
          EXPECT_EQ(__float_as_uint(static_cast<float>(half)), __float_as_uint(exact)) << code << " at " << at;
        }
      }
    }
  }
}

}  // namespace
}  // namespace glmv
