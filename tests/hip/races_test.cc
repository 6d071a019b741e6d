// One case for each tuned kernel, in a random order of threads: under ThreadSanitizer (preset tsan) it is a race check
// of the kernels, elsewhere it finds what stops a launch.
#include <gtest/gtest.h>

#include "reference/all_cases.h"
#include "reference/core/parallel.h"
#include "tests/hip/large_linear.h"

namespace glmv {
namespace {

TEST(Races, NoKernelHasOne) {
  set_thread_count(1);  // of OpenMP, which ThreadSanitizer does not understand; kernels have their own threads
  for (const char* name : {
           "linear/ragged_bf16_bias_T1_N40_K72",                         // one token
           "linear/ragged_bf16_T7_N40_K328",                             // skinny
           "linear/split_bf16_bias_T7_N40_K1096",                        // skinny, K split
           "linear/ragged_bf16_bias_T65_N40_K72",                        // dense, small tiles
           "linear/ragged_bf16_T130_N136_K328",                          // dense, medium tiles
           "attention/chunk_bf16_hf_T16_S131_B1_heads24_2_D128_page64",  // prefill, two passes
           "attention/chunk_bf16_hf_T80_S173_B1_heads12_1_D64_page64",   // large tiles, two passes
           "attention/vision_bf16_once_T1_S1_B3_heads2_2_D128_page1",    // large tiles, one pass
           "attention/decode_bf16_once_T1_S65_B1_heads12_1_D128_page64",
           "attention/decode_bf16_hf_T1_S200_B1_heads6_2_D16_page200",
           "attention/batch_bf16_hf_T3_S9_B4_heads4_2_D16_page4",
           "moe_route/top8_of_128_bf16_T1_H64_E128_K8",  // dots
           "moe_route/groups_bf16_T66_H32_E128_K8",      // tiles, groups
           "moe_experts/decode_unsorted_bf16_hf_T2_H40_F24_E128_K8",
           "moe_experts/top8_of_128_bf16_hf_T17_H72_F40_E128_K8",
           "moe_experts/some_rows_bf16_once_T65_H136_F72_E4_K2",
           "rmsnorm/bf16_hf_T3_H4096",
           "fused_add_rmsnorm/bf16_hf_T2_H8200",
           "layernorm/bf16_T3_H4096",
           "sample/bf16_T5_V97",
       }) {
    EXPECT_FALSE(bytes_of(find_case(name), simt::Order::random, 3).empty()) << name;
  }
  expect_large_tile_right(70, 520, 200, simt::Order::random);
}

}  // namespace
}  // namespace glmv
