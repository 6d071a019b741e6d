// Layouts of wgmma and of tensor loads, element by element. The formulas stand here a second time, as the PTX ISA gives
// them (asynchronous warpgroup level matrix instructions: register fragments, shared memory layouts, descriptor; tensor
// copies: swizzling modes), not taken from the emulator.
#include "simt/wgmma_layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "simt/settings.h"
#include "tests/simt/device_array.h"
#include "tests/simt/kernels/sm90.h"

GLMV_DECLARE_SM90_KERNELS(cuda_emulated)

namespace glmv::simt {
namespace {

constexpr int kThreads = 128, kK = 16;

/// Row and column of D of register i of a thread: four warps with 16 rows each; a quad of lanes shares two rows.
int row_of(int thread, int i) { return thread / 32 * 16 + (thread % 32 >> 2) + ((i & 2) != 0 ? 8 : 0); }
int column_of(int thread, int i) { return (i >> 2) * 8 + (thread & 3) * 2 + (i & 1); }

/// 128-byte swizzle: bits 4 to 6 of an address, exclusive or bits 7 to 9.
int swizzled(int address) { return address ^ ((address & 0x380) >> 3); }

/// K-major: 8 rows of 128 bytes are a pattern, the next 8 rows are `stride` bytes on.
int k_major(int row, int k, int stride) { return swizzled((row / 8) * stride + (row % 8) * 128 + k * 2); }
/// MN-major: 64 elements of one k in 128 bytes, 8 k in a pattern; 8 k further `stride`, 64 elements further `leading`.
int mn_major(int row, int k, int leading, int stride) {
  return swizzled((row / 64) * leading + (row % 64) * 2 + (k / 8) * stride + (k % 8) * 128);
}

/// Different for any two k of a column and any two columns within 16.
float code(int n, int k) { return static_cast<float>(1 + k + 16 * (n % 15)); }

void put(std::vector<uint8_t>& image, int at, float value) {
  const bf16 x(value);
  memcpy(&image[static_cast<size_t>(at)], &x, sizeof(x));
}

std::vector<uint8_t> image() { return std::vector<uint8_t>(kWgmmaImage, 0); }

/// Row `row` of D must be row k of B, everything else 0.
void expect_row(const std::vector<float>& d, int columns, int row, int k) {
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < columns / 2; ++i) {
      const float expected = row_of(t, i) == row ? code(column_of(t, i), k) : 0;
      ASSERT_EQ(d[static_cast<size_t>(t * (columns / 2) + i)], expected)
          << "A at " << row << ',' << k << ", D of thread " << t << " register " << i;
    }
  }
}

TEST(WgmmaLayout, DescriptorFields) {
  const WgmmaDescriptor d = {0x12340, 0x2000, 0x400, 0, 1};
  EXPECT_EQ(encode(d), 0x1234ull | 0x200ull << 16 | 0x40ull << 32 | 1ull << 62);
  const WgmmaDescriptor back = decode(encode(d));
  EXPECT_EQ(back.start, d.start);
  EXPECT_EQ(back.leading, d.leading);
  EXPECT_EQ(back.stride, d.stride);
  EXPECT_EQ(back.base_offset, 0u);
  EXPECT_EQ(back.swizzle, 1u);
  EXPECT_EQ(decode(uint64_t{5} << 49 | uint64_t{3} << 62).base_offset, 5u);
  EXPECT_EQ(decode(uint64_t{5} << 49 | uint64_t{3} << 62).swizzle, 3u);
}

/// A single 1 at every place of A in turn; every element of B is told apart by its code. Two strides, so that neither
/// is taken for granted.
TEST(WgmmaLayout, OperandsInSharedMemoryAreKMajor) {
  for (const auto& [columns, a_stride, b_stride] :
       {std::array{128, 1024, 1024}, {128, 2048, 3072}, {256, 1024, 2048}}) {
    auto b = image();
    for (int n = 0; n < columns; ++n) {
      for (int k = 0; k < kK; ++k) put(b, k_major(n, k, b_stride), code(n, k));
    }
    const DeviceArray<uint8_t> db(b);
    const int step = columns == 128 && a_stride == 1024 ? 1 : 7;  // all places once, a sample with other strides
    for (int place = 0; place < 64 * kK; place += step) {
      auto a = image();
      put(a, k_major(place / kK, place % kK, a_stride), 1);
      const DeviceArray<uint8_t> da(a);
      const DeviceArray<float> d(static_cast<size_t>(kThreads) * columns / 2);
      const WgmmaOffsets offsets = {16, static_cast<unsigned>(a_stride), 16, static_cast<unsigned>(b_stride)};
      expect_ran(cuda_emulated::one_wgmma(da.data(), db.data(), d.data(), offsets, columns));
      expect_row(d.values(), columns, place / kK, place % kK);
      if (HasFatalFailure()) return;
    }
  }
}

/// A in registers: those of mma.sync m16n8k16 for each warp. B MN-major, with both orders of its two strides.
TEST(WgmmaLayout, AInRegistersAndBTransposed) {
  constexpr int kColumns = 128;
  for (const auto& [leading, stride] : {std::pair{2048, 1024}, {1024, 2048}, {8192, 1024}}) {
    auto b = image();
    for (int n = 0; n < kColumns; ++n) {
      for (int k = 0; k < kK; ++k) put(b, mn_major(n, k, leading, stride), code(n, k));
    }
    const DeviceArray<uint8_t> db(b);
    for (int place = 0; place < kThreads * 8; place += leading == 2048 ? 1 : 13) {
      const int thread = place / 8, i = place % 8;
      std::vector<uint32_t> a(static_cast<size_t>(kThreads) * 4, 0);
      a[static_cast<size_t>(thread * 4 + i / 2)] = uint32_t{bf16(1.0F).bits} << (16 * (i % 2));
      const DeviceArray<uint32_t> da(a);
      const DeviceArray<float> d(static_cast<size_t>(kThreads) * kColumns / 2);
      const WgmmaOffsets offsets = {0, 0, static_cast<unsigned>(leading), static_cast<unsigned>(stride)};
      expect_ran(cuda_emulated::one_wgmma_registers(da.data(), db.data(), d.data(), offsets));
      const int group = thread % 32 >> 2, row = thread / 32 * 16 + ((i & 2) == 0 ? group : group + 8);
      expect_row(d.values(), kColumns, row, (thread & 3) * 2 + (i & 1) + (i >= 4 ? 8 : 0));
      if (HasFatalFailure()) return;
    }
  }
}

// ---- Tensor loads

/// Element (x, y, z) has a value of its own, 0 outside.
uint16_t element(const ptx::BoxedTensor& t, int64_t x, int64_t y, int64_t z) {
  const auto in = [](int64_t i, uint64_t extent) { return i >= 0 && static_cast<uint64_t>(i) < extent; };
  if (!in(x, t.extent[0]) || !in(y, t.extent[1]) || !in(z, t.extent[2])) return 0;
  return static_cast<uint16_t>(1 + x + 97 * y + 1009 * z);
}

void expect_box(int rank, std::array<int, 3> extent, std::array<int, 3> box, std::array<int, 3> at) {
  ptx::BoxedTensor t;
  t.rank = static_cast<unsigned>(rank);
  const int pitch = (extent[0] + 7) / 8 * 8 + 8;  // rows with something between them
  for (size_t i = 0; i < 3; ++i) {
    t.extent[i] = static_cast<uint64_t>(extent[i]);
    t.box[i] = static_cast<uint32_t>(box[i]);
  }
  t.stride[1] = static_cast<uint64_t>(2 * pitch);
  t.stride[2] = t.stride[1] * static_cast<uint64_t>(extent[1]);
  std::vector<uint16_t> values(static_cast<size_t>(pitch * extent[1] * extent[2]), 0xffff);
  for (int z = 0; z < extent[2]; ++z) {
    for (int y = 0; y < extent[1]; ++y) {
      for (int x = 0; x < extent[0]; ++x)
        values[static_cast<size_t>((z * extent[1] + y) * pitch + x)] = element(t, x, y, z);
    }
  }
  const DeviceArray<uint16_t> data(values);
  t.data = data.data();
  const DeviceArray<uint8_t> out(t.box_bytes());
  expect_ran(cuda_emulated::one_tensor_load(t, at[0], at[1], at[2], out.data()));
  const auto got = out.values();
  for (int row = 0; row < box[1] * box[2]; ++row) {
    for (int x = 0; x < 64; ++x) {
      uint16_t value = 0;
      memcpy(&value, &got[static_cast<size_t>(swizzled(row * 128 + x * 2))], 2);
      ASSERT_EQ(value, element(t, at[0] + x, at[1] + row % box[1], at[2] + row / box[1])) << row << ',' << x;
    }
  }
}

TEST(TensorLoad, BoxesAreSwizzledAndZeroOutside) {
  expect_box(2, {128, 40, 1}, {64, 16, 1}, {64, 8, 0});
  expect_box(2, {72, 20, 1}, {64, 16, 1}, {64, 8, 0});   // beyond both ends
  expect_box(2, {70, 20, 1}, {64, 16, 1}, {-3, -5, 0});  // before both beginnings
  expect_box(2, {8, 1, 1}, {64, 8, 1}, {0, 100, 0});     // nothing of it inside
  expect_box(3, {64, 6, 5}, {64, 4, 3}, {0, 4, 3});
  expect_box(3, {72, 6, 5}, {64, 1, 8}, {8, -1, -2});
}

TEST(TensorLoad, MapsThatTheDriverWouldRefuse) {
  const DeviceArray<uint16_t> data(size_t{4096});
  ptx::BoxedTensor good;
  good.data = data.data();
  good.extent[0] = 64, good.extent[1] = 8;
  good.stride[1] = 128;
  EXPECT_EQ(refusal(good), "");
  const auto refused = [&](auto change) {
    ptx::BoxedTensor t = good;
    change(t);
    return refusal(t);
  };
  EXPECT_NE(refused([&](auto& t) { t.data = data.data() + 1; }), "");
  EXPECT_NE(refused([](auto& t) { t.stride[1] = 130; }), "");
  EXPECT_NE(refused([](auto& t) { t.extent[1] = 0; }), "");
  EXPECT_NE(refused([](auto& t) { t.box[1] = 257; }), "");
  EXPECT_NE(refused([](auto& t) { t.box[0] = 128; }), "");
  EXPECT_NE(refused([](auto& t) { t.rank = 4; }), "");
}

// ---- Everything together

TEST(WgmmaKernels, RingOfStagesMultiplies) {
  constexpr int kRows = 128, kDepth = 320;
  std::mt19937 engine(7);
  std::uniform_int_distribution<int> small(-3, 3);  // integers: sums are exact
  std::vector<bf16> a(size_t{kRows} * kDepth), b(size_t{128} * kDepth);
  for (bf16& x : a) x = bf16(static_cast<float>(small(engine)));
  for (bf16& x : b) x = bf16(static_cast<float>(small(engine)));
  const DeviceArray<bf16> da(a), db(b);
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    const ScopedSettings restore;
    settings().order = order;
    const DeviceArray<float> out(size_t{kRows} * 128);
    expect_ran(cuda_emulated::gemm_wgmma(da.data(), db.data(), out.data(), kRows, kDepth));
    const auto got = out.values();
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < 128; ++c) {
        float sum = 0;
        for (int k = 0; k < kDepth; ++k)
          sum += static_cast<float>(a[static_cast<size_t>(r * kDepth + k)]) *
                 static_cast<float>(b[static_cast<size_t>(c * kDepth + k)]);
        ASSERT_EQ(got[static_cast<size_t>(r * 128 + c)], sum) << r << ',' << c << " order " << static_cast<int>(order);
      }
    }
  }
}

}  // namespace
}  // namespace glmv::simt
