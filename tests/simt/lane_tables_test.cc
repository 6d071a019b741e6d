// The lane tables, element by element: a single 1 in one value of one lane of A must meet the row of B that the
// vendor's formula says, and come out where the formula says. The formulas stand here a second time, as the vendors
// print them (PTX ISA: groupID, threadID_in_group; AMD's matrix instruction calculator: lane, register), not taken from
// the emulator.
#include <gtest/gtest.h>

#include <cmath>

#include "reference/core/dtype.h"
#include "simt/settings.h"
#include "tests/simt/device_array.h"
#include "tests/simt/kernels/kernels.h"

GLMV_DECLARE_CUDA_KERNELS(cuda_emulated)
GLMV_DECLARE_HIP_KERNELS(hip_emulated)

namespace glmv::simt {
namespace {

struct At {
  int row, column;
};

/// One instruction: sizes, and the vendor's formulas.
struct Instruction {
  int lanes, m, n, k, a_values, b_values, c_values;  // per lane
  At (*a)(int lane, int i);
  At (*b)(int lane, int i);
  At (*c)(int lane, int i);
};

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
const Instruction kMmaBf16 = {32,
                              16,
                              8,
                              16,
                              8,
                              4,
                              4,
                              [](int lane, int i) {
                                const int group = lane >> 2, in_group = lane % 4;
                                const int row = (i < 2 || (i >= 4 && i < 6)) ? group : group + 8;
                                return At{row, in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
                              },
                              [](int lane, int i) {
                                return At{lane % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), lane >> 2};
                              },
                              [](int lane, int i) {
                                return At{i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)};
                              }};

// PTX ISA, "Matrix Fragments for mma.m16n8k32", 8-bit types.
const Instruction kMmaE4m3 = {32,
                              16,
                              8,
                              32,
                              16,
                              8,
                              4,
                              [](int lane, int i) {
                                const int group = lane >> 2, in_group = lane % 4;
                                const int row = (i < 4 || (i >= 8 && i < 12)) ? group : group + 8;
                                return At{row, in_group * 4 + (i & 3) + (i >= 8 ? 16 : 0)};
                              },
                              [](int lane, int i) {
                                return At{lane % 4 * 4 + (i & 3) + (i >= 4 ? 16 : 0), lane >> 2};
                              },
                              kMmaBf16.c};

// AMD: A[i][k] is in lane i + size * (k / values), value k % values; B alike; D[i][j] of 16x16: lane j + 16 * (i / 4),
// register i % 4; of 32x32: lane j + 32 * ((i / 4) % 2), register 4 * (i / 8) + i % 4.
template <int kSize, int kValues>
At amd_a(int lane, int i) {
  return {lane % kSize, kValues * (lane / kSize) + i};
}
template <int kSize, int kValues>
At amd_b(int lane, int i) {
  return {kValues * (lane / kSize) + i, lane % kSize};
}
At amd_d16(int lane, int r) { return {4 * (lane / 16) + r, lane % 16}; }
At amd_d32(int lane, int r) { return {8 * (r / 4) + 4 * (lane / 32) + r % 4, lane % 32}; }
const Instruction kMfma16 = {64, 16, 16, 16, 4, 4, 4, amd_a<16, 4>, amd_b<16, 4>, amd_d16};
const Instruction kMfma32 = {64, 32, 32, 8, 4, 4, 16, amd_a<32, 4>, amd_b<32, 4>, amd_d32};
const Instruction kMfma16Fp8 = {64, 16, 16, 32, 8, 8, 4, amd_a<16, 8>, amd_b<16, 8>, amd_d16};
const Instruction kMfma32Fp8 = {64, 32, 32, 16, 8, 8, 16, amd_a<32, 8>, amd_b<32, 8>, amd_d32};

/// Registers of all lanes, value by value.
template <class Element>
struct Operands {
  std::vector<Element> a, b;
  std::vector<float> c;

  explicit Operands(const Instruction& in)
      : a(count(in, in.a_values)), b(count(in, in.b_values)), c(count(in, in.c_values)) {}
  static size_t count(const Instruction& in, int per_lane) { return static_cast<size_t>(in.lanes) * per_lane; }
};

/// d of all lanes.
template <class Element>
using Run = std::vector<float> (*)(const Operands<Element>&);

template <class Element, class Register, class Kernel>
std::vector<float> run_one(const Operands<Element>& operands, Kernel kernel) {
  const auto registers = [](const std::vector<Element>& values) {
    std::vector<Register> r(values.size() * sizeof(Element) / sizeof(Register));
    memcpy(r.data(), values.data(), r.size() * sizeof(Register));
    return r;
  };
  const DeviceArray<Register> a(registers(operands.a)), b(registers(operands.b));
  const DeviceArray<float> c(operands.c), d(operands.c.size());
  expect_ran(kernel(a.data(), b.data(), c.data(), d.data()));
  return d.values();
}

/// Small codes of which every pair is told apart by its product with 1.
template <class Element>
Element coded(int n);
template <>
bf16 coded<bf16>(int n) {
  return bf16(static_cast<float>(n));  // exact up to 256
}
template <>
f8e4m3 coded<f8e4m3>(int n) {
  f8e4m3 x;
  x.bits = static_cast<uint8_t>(n);
  return x;
}

/// For every value of A: one-hot A, B filled with distinguishable codes, C with its own; every value of D is predicted.
/// `one`, `value_of`: the element that means 1, and what an element means.
template <class Element>
void probe(const Instruction& in, Run<Element> run, Element one, float (*value_of)(Element)) {
  for (int lane = 0; lane < in.lanes; ++lane) {
    for (int i = 0; i < in.a_values; ++i) {
      const At hot = in.a(lane, i);
      Operands<Element> o(in);
      for (Element& x : o.a) memset(&x, 0, sizeof(x));
      o.a[lane * in.a_values + i] = one;
      std::vector<float> b_row(in.n, 0.0F);  // row `hot.column` of B: what the 1 picks
      for (int l = 0; l < in.lanes; ++l) {
        for (int j = 0; j < in.b_values; ++j) {
          const At at = in.b(l, j);
          o.b[l * in.b_values + j] = coded<Element>(1 + (at.row * 7 + at.column * 3) % 100);
          if (at.row == hot.column) b_row[at.column] = value_of(o.b[l * in.b_values + j]);
        }
        for (int j = 0; j < in.c_values; ++j) o.c[l * in.c_values + j] = static_cast<float>(1024 + l * in.c_values + j);
      }
      const auto d = run(o);
      for (int l = 0; l < in.lanes; ++l) {
        for (int j = 0; j < in.c_values; ++j) {
          const At at = in.c(l, j);
          const float expected = o.c[l * in.c_values + j] + (at.row == hot.row ? b_row[at.column] : 0.0F);
          ASSERT_EQ(d[l * in.c_values + j], expected)
              << "A of lane " << lane << " value " << i << ", D of lane " << l << " value " << j;
        }
      }
    }
  }
}

/// For every value of B: one-hot B against a coded A.
template <class Element>
void probe_b(const Instruction& in, Run<Element> run, Element one, float (*value_of)(Element)) {
  for (int lane = 0; lane < in.lanes; ++lane) {
    for (int i = 0; i < in.b_values; ++i) {
      const At hot = in.b(lane, i);
      Operands<Element> o(in);
      for (Element& x : o.b) memset(&x, 0, sizeof(x));
      o.b[lane * in.b_values + i] = one;
      std::vector<float> a_column(in.m, 0.0F);
      for (int l = 0; l < in.lanes; ++l) {
        for (int j = 0; j < in.a_values; ++j) {
          const At at = in.a(l, j);
          o.a[l * in.a_values + j] = coded<Element>(1 + (at.row * 7 + at.column * 3) % 100);
          if (at.column == hot.row) a_column[at.row] = value_of(o.a[l * in.a_values + j]);
        }
      }
      const auto d = run(o);
      for (int l = 0; l < in.lanes; ++l) {
        for (int j = 0; j < in.c_values; ++j) {
          const At at = in.c(l, j);
          ASSERT_EQ(d[l * in.c_values + j], at.column == hot.column ? a_column[at.row] : 0.0F)
              << "B of lane " << lane << " value " << i << ", D of lane " << l << " value " << j;
        }
      }
    }
  }
}

template <class Element>
void probe_both(const Instruction& in, Run<Element> run, Element one, float (*value_of)(Element)) {
  probe(in, run, one, value_of);
  probe_b(in, run, one, value_of);
}

float bf16_value(bf16 x) { return static_cast<float>(x); }
float e4m3_value(f8e4m3 x) { return static_cast<float>(x); }
/// The same bits in the FNUZ encoding: half of it, up to the code that means NaN only in OCP.
float fnuz_value(f8e4m3 x) {
  return (x.bits & 0x7f) == 0x7f ? (x.bits >> 7 ? -240.0F : 240.0F) : static_cast<float>(x) / 2;
}

f8e4m3 bits(int b) { return coded<f8e4m3>(b); }

TEST(LaneTables, MmaM16N8K16Bf16) {
  probe_both<bf16>(
      kMmaBf16, [](const Operands<bf16>& o) { return run_one<bf16, uint32_t>(o, cuda_emulated::one_mma_bf16); },
      bf16(1.0F), bf16_value);
}

TEST(LaneTables, MmaM16N8K32E4m3) {
  probe_both<f8e4m3>(
      kMmaE4m3, [](const Operands<f8e4m3>& o) { return run_one<f8e4m3, uint32_t>(o, cuda_emulated::one_mma_e4m3); },
      f8e4m3(1.0F), e4m3_value);
}

class AmdLaneTables : public testing::Test {
 protected:
  AmdLaneTables() { settings().warp_width = 64; }

 private:
  ScopedSettings restore_;
};

template <int kSize>
std::vector<float> run_mfma(const Operands<bf16>& o) {
  return run_one<bf16, uint16_t>(o, [](auto... p) { return hip_emulated::one_mfma_bf16(p..., kSize); });
}
template <int kSize>
std::vector<float> run_mfma_fp8(const Operands<f8e4m3>& o) {
  return run_one<f8e4m3, uint64_t>(o, [](auto... p) { return hip_emulated::one_mfma_fp8(p..., kSize); });
}

TEST_F(AmdLaneTables, Mfma16x16x16Bf16) { probe_both<bf16>(kMfma16, run_mfma<16>, bf16(1.0F), bf16_value); }
TEST_F(AmdLaneTables, Mfma32x32x8Bf16) { probe_both<bf16>(kMfma32, run_mfma<32>, bf16(1.0F), bf16_value); }
TEST_F(AmdLaneTables, Mfma16x16x32Fp8) { probe_both<f8e4m3>(kMfma16Fp8, run_mfma_fp8<16>, bits(0x40), fnuz_value); }
TEST_F(AmdLaneTables, Mfma32x32x16Fp8) { probe_both<f8e4m3>(kMfma32Fp8, run_mfma_fp8<32>, bits(0x40), fnuz_value); }

TEST_F(AmdLaneTables, EveryFnuzCode) {
  for (int code = 0; code < 256; ++code) {
    Operands<f8e4m3> o(kMfma16Fp8);
    for (auto* side : {&o.a, &o.b}) {
      for (f8e4m3& x : *side) x.bits = 0;
    }
    o.a[0] = bits(code);
    o.b[0] = bits(0x40);  // 1 in FNUZ
    const float d = run_mfma_fp8<16>(o)[0];
    if (code == 0x80) {
      EXPECT_TRUE(std::isnan(d));
    } else {
      EXPECT_EQ(d, fnuz_value(bits(code))) << code;
    }
  }
}

// ldmatrix: lane l of the result holds elements (l / 4, 2 * (l % 4)) and the next of tile j, whose rows lanes 8j to 8j
// + 7 name.
TEST(LaneTables, Ldmatrix) {
  std::vector<uint16_t> tiles(size_t{32} * 8);
  for (size_t i = 0; i < tiles.size(); ++i) tiles[i] = static_cast<uint16_t>(1000 + i);
  const DeviceArray<uint16_t> in(tiles);
  for (const bool transposed : {false, true}) {
    for (const int count : {1, 2, 4}) {
      const DeviceArray<uint32_t> out(size_t{32} * 4);
      expect_ran(cuda_emulated::one_ldmatrix(in.data(), out.data(), count, transposed));
      const auto got = out.values();
      for (int lane = 0; lane < 32; ++lane) {
        for (int tile = 0; tile < count; ++tile) {
          for (int i = 0; i < 2; ++i) {
            int row = lane / 4, column = lane % 4 * 2 + i;
            if (transposed) std::swap(row, column);
            ASSERT_EQ(got[lane * 4 + tile] >> (16 * i) & 0xffff, tiles[(tile * 8 + row) * 8 + column])
                << lane << ' ' << tile << ' ' << i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace glmv::simt
