// Warp, block and atomic intrinsics against the words of the vendors' manuals.
#include <gtest/gtest.h>

#include <algorithm>

#include "simt/settings.h"
#include "tests/simt/device_array.h"
#include "tests/simt/kernels/intrinsics.h"

GLMV_DECLARE_CUDA_INTRINSICS(cuda_emulated)
GLMV_DECLARE_HIP_INTRINSICS(hip_emulated)

namespace glmv::simt {
namespace {

std::vector<int> lane_values(int count) {
  std::vector<int> values(count);
  for (int i = 0; i < count; ++i) values[i] = i * i * 13 % 97 - 40;
  return values;
}

// Shuffles within segments of `width` lanes: what does not exist there leaves the own value.
int up(const std::vector<int>& v, int lane, int delta, int width) {
  return lane % width - delta >= 0 ? v[lane - delta] : v[lane];
}
int down(const std::vector<int>& v, int lane, int delta, int width) {
  return lane % width + delta < width ? v[lane + delta] : v[lane];
}
int index(const std::vector<int>& v, int lane, int from, int width) { return v[lane / width * width + from % width]; }
// A partner in an earlier segment may be read, one in a later segment may not.
int exclusive_or(const std::vector<int>& v, int lane, int mask, int width) {
  const int partner = lane ^ mask;
  return partner / width <= lane / width ? v[partner] : v[lane];
}

TEST(Intrinsics, CudaShuffles) {
  const auto v = lane_values(32);
  const DeviceArray<int> values(v);
  for (int argument : {0, 1, 3, 8, 9, 16, 31}) {
    const DeviceArray<CudaWarpResults> out(32);
    expect_ran(cuda_emulated::cuda_warp(values.data(), argument, out.data()));
    const auto got = out.values();
    for (int lane = 0; lane < 32; ++lane) {
      SCOPED_TRACE(testing::Message() << "argument " << argument << " lane " << lane);
      EXPECT_EQ(got[lane].index, index(v, lane, argument, 32));
      EXPECT_EQ(got[lane].up, up(v, lane, argument, 32));
      EXPECT_EQ(got[lane].down, down(v, lane, argument, 32));
      EXPECT_EQ(got[lane].exclusive_or, exclusive_or(v, lane, argument, 32));
      EXPECT_EQ(got[lane].index_of_8, index(v, lane, argument, 8));
      EXPECT_EQ(got[lane].up_of_8, up(v, lane, argument, 8));
      EXPECT_EQ(got[lane].down_of_8, down(v, lane, argument, 8));
      EXPECT_EQ(got[lane].xor_of_8, exclusive_or(v, lane, argument, 8));
      EXPECT_EQ(got[lane].wide, v[lane ^ 1] + 0.25);
    }
  }
}

TEST(Intrinsics, CudaVotesMatchesAndReductions) {
  const auto v = lane_values(32);
  const DeviceArray<int> values(v);
  const DeviceArray<CudaWarpResults> out(32);
  expect_ran(cuda_emulated::cuda_warp(values.data(), 0, out.data()));
  const auto got = out.values();
  unsigned ballot = 0, odd = 0, sum = 0, bits_and = ~0u, bits_or = 0;
  for (int lane = 0; lane < 32; ++lane) {
    ballot |= unsigned{v[lane] % 3 == 0} << lane;
    odd |= unsigned{v[lane] % 2 != 0} << lane;
    const auto u = static_cast<unsigned>(v[lane]);
    sum += u, bits_and &= u, bits_or |= u;
  }
  const auto as_unsigned = [](int a, int b) { return static_cast<unsigned>(a) < static_cast<unsigned>(b); };
  for (int lane = 0; lane < 32; ++lane) {
    const auto& r = got[lane];
    EXPECT_EQ(r.ballot, ballot);
    EXPECT_EQ(r.any, 1u);
    EXPECT_EQ(r.all, 0u);
    unsigned match = 0;
    for (int other = 0; other < 32; ++other) match |= unsigned{v[other] % 5 == v[lane] % 5} << other;
    EXPECT_EQ(r.match, match);
    EXPECT_EQ(r.add, sum);
    EXPECT_EQ(r.least, static_cast<unsigned>(*std::min_element(v.begin(), v.end(), as_unsigned)));
    EXPECT_EQ(r.most, static_cast<unsigned>(*std::max_element(v.begin(), v.end(), as_unsigned)));
    EXPECT_EQ(r.bits_and, bits_and);
    EXPECT_EQ(r.bits_or, bits_or);
    EXPECT_EQ(r.least_signed, *std::min_element(v.begin(), v.end()));
    EXPECT_EQ(r.most_signed, *std::max_element(v.begin(), v.end()));
    EXPECT_EQ(r.half_ballot, odd & (lane < 16 ? 0xffffu : 0xffff0000u));
  }
}

TEST(Intrinsics, HipAtBothWidthsAndOnAShortWave) {
  const ScopedSettings restore;
  for (const int width : {32, 64}) {
    settings().warp_width = width;
    const int threads = width + width / 2;
    const auto v = lane_values(threads);
    const DeviceArray<int> values(v);
    const int argument = 1;
    const DeviceArray<HipWarpResults> out(threads);
    // Down and up by one stay within the lanes there are only in the whole wave; so the short one is tested with xor.
    const char* report = hip_emulated::hip_warp(values.data(), argument, out.data(), threads);
    ASSERT_NE(report, nullptr);
    EXPECT_NE(std::string(report).find("reads lane " + std::to_string(width / 2) + ", which takes no part"),
              std::string::npos)
        << report;
    expect_ran(hip_emulated::hip_warp(values.data(), argument, out.data(), width));
    const auto got = out.values();
    uint64_t ballot = 0;
    for (int lane = 0; lane < width; ++lane) ballot |= uint64_t{v[lane] % 3 == 0} << lane;
    for (int lane = 0; lane < width; ++lane) {
      EXPECT_EQ(got[lane].index, v[argument]);
      EXPECT_EQ(got[lane].up, up(v, lane, argument, width));
      EXPECT_EQ(got[lane].down, down(v, lane, argument, width));
      EXPECT_EQ(got[lane].exclusive_or, v[lane ^ 1]);
      EXPECT_EQ(got[lane].down_of_16, down(v, lane, argument, 16));
      EXPECT_EQ(got[lane].ballot, ballot);
      EXPECT_EQ(got[lane].any, 1);
      EXPECT_EQ(got[lane].all, 0);
    }
  }
}

TEST(Intrinsics, BarriersThatVote) {
  for (const int set : {0, 1, 70, 100}) {
    std::vector<int> flags(100, 0);
    for (int i = 0; i < set; ++i) flags[i] = i + 1;
    const DeviceArray<int> in(flags);
    const DeviceArray<BlockResults> out(100);
    expect_ran(cuda_emulated::block_votes(in.data(), out.data(), 100));
    for (const auto& r : out.values()) {
      EXPECT_EQ(r.count, set);
      EXPECT_EQ(r.all, set == 100 ? 1 : 0);
      EXPECT_EQ(r.any, set > 0 ? 1 : 0);
    }
  }
}

TEST(Intrinsics, Atomics) {
  AtomicResults start = {};
  start.bits_and = -1;
  start.exchanged = -1;
  const DeviceArray<AtomicResults> data(std::vector<AtomicResults>{start});
  expect_ran(cuda_emulated::atomics(data.data(), 200));
  const AtomicResults r = data.values()[0];
  EXPECT_EQ(r.add, 199 * 200 / 2);
  EXPECT_EQ(r.sub, -199 * 200 / 2);
  EXPECT_EQ(r.most, 199);
  EXPECT_EQ(r.least, -199);
  EXPECT_EQ(r.bits_or, 0x7fffffff);
  EXPECT_EQ(r.bits_and, static_cast<int>(0x80000000u));
  EXPECT_EQ(r.wide, 200ull << 32);
  EXPECT_EQ(r.sum, 100.0F);
  EXPECT_EQ(r.wrapped, 0u);  // 200 increments modulo 10
  EXPECT_EQ(r.total, 199u);  // all but the first found somebody's number
  EXPECT_EQ(r.swapped, 200);
}

TEST(Intrinsics, AThreadThatSleepsLetsOthersRun) {
  const DeviceArray<int> out(1);
  expect_ran(cuda_emulated::sleeping_flag(out.data()));
  EXPECT_EQ(out.values()[0], 7);
}

}  // namespace
}  // namespace glmv::simt
