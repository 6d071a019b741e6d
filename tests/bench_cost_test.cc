// The cost model against the values of the table it was specified with, and the cases against the cost model.
#include <gtest/gtest.h>

#include <cmath>

#include "bench/cost.h"
#include "bench/roofline.h"
#include "reference/all_cases.h"

namespace glmv::bench {
namespace {

/// The device of the table: 4.3 TB/s, 790 TFLOP/s bf16, 1580 fp8.
Peaks table_device() {
  Peaks p;
  p.read_bytes_per_s = p.copy_bytes_per_s = 4.3e12;
  p.bf16_flops_per_s = 790e12, p.fp8_flops_per_s = 1580e12;
  return p;
}

constexpr Widths kFp8{1, 1, 2};

/// The table prints that many significant digits: half of the last one is what it leaves open.
void expect_printed(double value, double printed, int digits) {
  const double unit = std::pow(10, std::floor(std::log10(printed)) - digits + 1);
  EXPECT_NEAR(value, printed, 0.5000001 * unit) << printed;
}

double microseconds(const Cost& c, DType type = DType::bf16) { return 1e6 * roofline(c, table_device(), type).seconds; }

TEST(Cost, ExpertsTouchedByUniformRouting) {
  expect_printed(expected_experts(1, 128, 8), 8.000, 4);
  expect_printed(expected_experts(8, 128, 8), 51.620, 5);
  expect_printed(expected_experts(64, 128, 8), 125.942, 6);
  expect_printed(expected_experts(256, 128, 8), 128.000, 6);
}

TEST(Cost, ProjectionsOfOneToken) {
  expect_printed(qkv_cost(kGlm45v, 1).bytes, 117.5e6, 4);
  expect_printed(microseconds(qkv_cost(kGlm45v, 1)), 27.32, 4);
  expect_printed(qkv_cost(kGlm45v, 1, kFp8).bytes, 58.75e6, 4);
  expect_printed(microseconds(qkv_cost(kGlm45v, 1, kFp8), DType::f8e4m3), 13.66, 4);
  expect_printed(o_cost(kGlm45v, 1).bytes, 100.7e6, 4);
  expect_printed(microseconds(o_cost(kGlm45v, 1)), 23.42, 4);
  expect_printed(microseconds(mlp_cost(kGlm45v, 1, 1408)), 8.051, 4);
  expect_printed(microseconds(lm_head_cost(kGlm45v, 1)), 288.9, 4);
}

TEST(Cost, Experts) {
  const std::pair<double, std::pair<double, double>> rows[] = {
      {1, {42.93, 21.47}}, {8, {277.0, 138.5}}, {64, {676.1, 338.3}}, {256, {688.5, 345.2}}};
  for (const auto& [t, us] : rows) {
    const double u = expected_experts(t, 128, 8);
    expect_printed(microseconds(gate_up_cost(kGlm45v, t, u)), us.first, 4);
    expect_printed(microseconds(down_cost(kGlm45v, t, u)), us.second, 4);
  }
  const double all = expected_experts(1024, 128, 8);
  expect_printed(microseconds(gate_up_cost(kGlm45v, 1024, all)), 694, 3);
  EXPECT_EQ(roofline(gate_up_cost(kGlm45v, 1024, all), table_device(), DType::bf16).bound, Bound::memory);
  const Cost prefill = gate_up_cost(kGlm45v, 8192, 128);
  expect_printed(prefill.flops, 1512e9, 4);
  expect_printed(microseconds(prefill), 1914, 4);
  EXPECT_EQ(roofline(prefill, table_device(), DType::bf16).bound, Bound::compute);
}

TEST(Cost, Attention) {
  expect_printed(microseconds(decode_attention_cost(kGlm45v, 1024)), 0.988, 3);
  expect_printed(microseconds(decode_attention_cost(kGlm45v, 8192)), 7.816, 4);
  expect_printed(microseconds(decode_attention_cost(kGlm45v, 32768)), 31.23, 4);
  const Cost batch = 64 * decode_attention_cost(kGlm45v, 8192);
  expect_printed(batch.bytes, 2.151e9, 4);
  expect_printed(microseconds(batch), 500.2, 4);
  expect_printed(prefill_attention_cost(kGlm45v, 8192, 0).flops, 1649e9, 4);
  expect_printed(microseconds(prefill_attention_cost(kGlm45v, 8192, 0)), 2088, 4);
  expect_printed(prefill_attention_cost(kGlm45v, 32768, 0).flops, 26.39e12, 4);
  expect_printed(microseconds(prefill_attention_cost(kGlm45v, 32768, 0)), 33.4e3, 3);
  expect_printed(vision_attention_cost(kGlmVision, 6400).flops, 251.7e9, 4);
  expect_printed(microseconds(vision_attention_cost(kGlmVision, 6400)), 318.6, 4);
}

TEST(Cost, SmallKernels) {
  EXPECT_EQ(rms_cost(kGlm45v, 3).flops, 20480.0 * 3);
  EXPECT_EQ(rms_cost(kGlm45v, 3).bytes, 32768.0 * 3);
  EXPECT_EQ(rope_cost(kGlm45v, 3).flops, 19968.0 * 3);
  EXPECT_EQ(rope_cost(kGlm45v, 3).bytes, 57344.0 * 3);
  EXPECT_EQ(combine_cost(kGlm45v, 3).flops, 65536.0 * 3);
  EXPECT_EQ(combine_cost(kGlm45v, 3).bytes, 81920.0 * 3);
  EXPECT_EQ(sampling_cost(kGlm45v, 3).bytes, 606208.0 * 3);
  EXPECT_EQ(router_cost(kGlm45v, 3).bytes, 2.0 * 128 * 4096 + 8192 * 3 + 64 * 3);
}

TEST(Cost, QkvOfAPrompt) {
  const Cost c = qkv_cost(kGlm45v, 8192);
  expect_printed(c.flops, 962.1e9, 4);
  expect_printed(microseconds(c), 1218, 4);
  EXPECT_EQ(roofline(c, table_device(), DType::bf16).bound, Bound::compute);
}

TEST(Cost, WholeModel) {
  EXPECT_EQ(parameters(kGlm45v, kGlmVision), 107710933120.0);
  EXPECT_EQ(cache_bytes_per_token(kGlm45v), 188416.0);
  const auto tokens_per_second = [](double sequences, double bytes) { return sequences * 4.3e12 / bytes; };
  const double bf16 = decode_step_bytes(kGlm45v, 1, 1024);
  expect_printed(bf16, 25.80e9, 4);
  expect_printed(tokens_per_second(1, bf16), 167, 3);
  const double fp8 = decode_step_bytes(kGlm45v, 1, 1024, kFp8), many = decode_step_bytes(kGlm45v, 64, 1024, kFp8);
  expect_printed(fp8, 13.64e9, 4);
  expect_printed(tokens_per_second(1, fp8), 315, 3);
  expect_printed(many, 117.6e9, 4);
  expect_printed(tokens_per_second(64, many), 2340, 4);
  const std::vector<PassPart> prompt = prefill_parts(kGlm45v, 8192);
  expect_printed(total(prompt).flops, 275.5e12, 4);
  double seconds = 0;
  for (const PassPart& p : prompt) seconds += p.count * roofline(p.cost, table_device(), DType::bf16).seconds;
  expect_printed(1e3 * seconds, 360.0, 4);
  expect_printed(8192 / seconds, 22.8e3, 3);
}

TEST(Cost, DenseModelHasNoExperts) {
  for (const PassPart& p : decode_parts(kGlm41v, 1, 1024)) EXPECT_NE(p.name, "router");
  EXPECT_GT(decode_step_bytes(kGlm41v, 1, 1024), 2 * 40.0 * 3 * 4096 * 13696);
}

TEST(Roofline, PeaksOfTypes) {
  Peaks p;
  p.f32_flops_per_s = 1;
  EXPECT_EQ(p.flops_per_s(DType::f8e4m3), 1);
  p.bf16_flops_per_s = 2;
  EXPECT_EQ(p.flops_per_s(DType::f8e4m3), 2);
  EXPECT_EQ(p.flops_per_s(DType::f32), 1);
  p.fp8_flops_per_s = 4;
  EXPECT_EQ(p.flops_per_s(DType::f8e4m3), 4);
  EXPECT_EQ(p.flops_per_s(DType::bf16), 2);
  EXPECT_EQ(roofline({1, 1}, {}, DType::bf16).seconds, 0);
  EXPECT_EQ(datasheet("NVIDIA H200").bf16_flops_per_s, 989e12);
  EXPECT_EQ(datasheet("AMD EPYC").bandwidth(), 0);
}

/// What a case says it costs is what the table says of its kernel.
TEST(Cases, CostWhatTheModelSays) {
  const auto expect = [](const char* name, const Cost& c) {
    const Case& found = find_case(name);
    EXPECT_DOUBLE_EQ(found.flops, c.flops) << name;
    EXPECT_DOUBLE_EQ(found.bytes, c.bytes) << name;
  };
  expect("linear/glm45v_qkv_bf16_bias_T8_N14336_K4096", qkv_cost(kGlm45v, 8));
  expect("linear/glm45v_o_bf16_T64_N4096_K12288", o_cost(kGlm45v, 64));
  expect("linear/glm45v_lm_head_bf16_T8_N151552_K4096", lm_head_cost(kGlm45v, 8));
  expect("fused_add_rmsnorm/bf16_hf_T64_H4096", rms_cost(kGlm45v, 64));
  expect("attention/glm45v_prefill_bf16_hf_T8192_S8192_B1_heads96_8_D128_page64",
         prefill_attention_cost(kGlm45v, 8192, 0));
  expect("attention/glm45v_chunk_bf16_hf_T4096_S12288_B1_heads96_8_D128_page64",
         prefill_attention_cost(kGlm45v, 4096, 8192));
  expect("attention/vision_real_bf16_hf_T6400_S6400_B1_heads12_12_D128_page6400",
         vision_attention_cost(kGlmVision, 6400));
  // The op does not write the cache, the model's kernel does.
  Cost decode = decode_attention_cost(kGlm45v, 8192);
  decode.bytes -= 4096;
  expect("attention/glm45v_decode_bf16_hf_T1_S8192_B1_heads96_8_D128_page64", decode);
  expect("sample/f32_T8_V151552", sampling_cost(kGlm45v, 8));
}

TEST(Cases, WorthTimingHaveTheirCosts) {
  int64_t counted = 0;
  for (const Case& c : all_cases()) {
    if (c.small || !c.bench) continue;
    ++counted;
    EXPECT_GT(c.bytes, 0) << c.name;
    EXPECT_GT(c.tokens, 0) << c.name;
    EXPECT_LE(c.sample, 64) << c.name;
    // Gold must be affordable: of four rows at least, but never of all that there are.
    if (c.flops > 1e11) {
      EXPECT_GT(c.sample, 0) << c.name;
    }
  }
  EXPECT_GT(counted, 150);
}

TEST(Cases, SkewedRoutingHasAFullAndAnEmptyExpert) {
  const Case& c = find_case("moe_experts/glm45v_skewed_bf16_hf_T64_H4096_F1408_E128_K8");
  EXPECT_EQ(c.most_rows, 64);
  EXPECT_LT(c.experts_touched, 128);
}

}  // namespace
}  // namespace glmv::bench
