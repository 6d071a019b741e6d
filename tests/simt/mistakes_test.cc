// Every mistake that a plain run must find is found, and the report says where: kernel, block, thread, file and line.
#include <gtest/gtest.h>

#include <cmath>

#include "reference/core/error.h"
#include "simt/settings.h"
#include "tests/simt/device_array.h"
#include "tests/simt/find_mistake.h"

namespace glmv::simt {
namespace {

/// The report of a mistake; its device memory starts as zeros. Empty: none.
std::string report_of(const std::string& name) {
  const DeviceArray<float> data(std::vector<float>(kMistakeFloats, 0.0F));
  const char* report = find_mistake(name).run(data.data(), kMistakeFloats);
  return report == nullptr ? "" : report;
}

std::vector<float> result_of(const std::string& name, const std::vector<float>& in) {
  const DeviceArray<float> data(in);
  expect_ran(find_mistake(name).run(data.data(), kMistakeFloats));
  return data.values();
}

std::string launched(const std::string& name) {
  return concat("kernel ", name, "_kernel launched at ", launch_line_of(name));
}

TEST(Mistakes, BarrierInOneBranch) {
  EXPECT_EQ(
      report_of("barrier_in_branch"),
      concat("deadlock in block (0,0,0), ", launched("barrier_in_branch"), "\n  32 threads wait at ",
             line_of("barrier_in_branch"), " in __syncthreads, for example thread (0,0,0)\n  96 threads have exited, ",
             "for example thread (32,0,0)"));
}

TEST(Mistakes, TwoBarriersInTwoBranches) {
  EXPECT_EQ(report_of("two_barriers"),
            concat("divergent __syncthreads in block (0,0,0), ", launched("two_barriers"), "\n  thread (0,0,0) at ",
                   line_of("two_barriers.first"), " in __syncthreads\n  thread (32,0,0) at ",
                   line_of("two_barriers.second"), " in __syncthreads"));
}

TEST(Mistakes, ReverseOrderNamesTheOtherThreadFirst) {
  const ScopedSettings restore;
  settings().order = Order::reverse;
  EXPECT_EQ(report_of("two_barriers"),
            concat("divergent __syncthreads in block (1,0,0), ", launched("two_barriers"), "\n  thread (63,0,0) at ",
                   line_of("two_barriers.second"), " in __syncthreads\n  thread (31,0,0) at ",
                   line_of("two_barriers.first"), " in __syncthreads"));
}

TEST(Mistakes, EarlyReturnBeforeABarrier) {
  EXPECT_EQ(
      report_of("early_return"),
      concat("deadlock in block (0,0,0), ", launched("early_return"), "\n  100 threads wait at ",
             line_of("early_return"),
             " in __syncthreads, for example thread (0,0,0)\n  28 threads have exited, for example thread (100,0,0)"));
}

TEST(Mistakes, ShuffleInABranch) {
  EXPECT_EQ(report_of("shuffle_in_branch"),
            concat(line_of("shuffle_in_branch"),
                   ": __shfl_xor_sync of lanes 0xffffffff names an exited lane: 16\n  it was thread (16,0,0) of block "
                   "(0,0,0), ",
                   launched("shuffle_in_branch")));
}

// Here the lanes that take no part have ended before the first one comes.
TEST(Mistakes, ShuffleInABranchAfterTheOthersHaveEnded) {
  const ScopedSettings restore;
  settings().order = Order::reverse;
  EXPECT_EQ(report_of("shuffle_in_branch"),
            concat(line_of("shuffle_in_branch"),
                   ": __shfl_xor_sync of lanes 0xffffffff names an exited lane: 16\n  it was thread (16,0,0) of block "
                   "(1,0,0), ",
                   launched("shuffle_in_branch")));
}

TEST(Mistakes, BarrierAgainstShuffle) {
  EXPECT_EQ(report_of("barrier_against_shuffle"),
            concat("deadlock in block (0,0,0), ", launched("barrier_against_shuffle"), "\n  16 threads wait at ",
                   line_of("barrier_against_shuffle.shuffle"),
                   " in __shfl_xor_sync of lanes 0xffffffff, for example thread (0,0,0)\n  16 threads wait at ",
                   line_of("barrier_against_shuffle.barrier"), " in __syncthreads, for example thread (16,0,0)"));
}

TEST(Mistakes, LoopWithDifferingTripCounts) {
  EXPECT_EQ(report_of("trip_counts"),
            concat(line_of("trip_counts"),
                   ": __shfl_down_sync of lanes 0xffffffff names an exited lane: 5\n  it was thread (5,0,0) of block "
                   "(0,0,0), ",
                   launched("trip_counts")));
}

TEST(Mistakes, TwoShufflesInTwoBranches) {
  EXPECT_EQ(report_of("two_shuffles"),
            concat("divergent __shfl_sync of lanes 0xffffffff in block (0,0,0), ", launched("two_shuffles"),
                   "\n  thread (0,0,0) at ", line_of("two_shuffles.first"), " in __shfl_sync\n  thread (1,0,0) at ",
                   line_of("two_shuffles.second"), " in __shfl_sync"));
}

/// A report of one thread at one line.
std::string at_thread(const std::string& mark, const std::string& what, const std::string& thread) {
  return concat(line_of(mark), ": ", what, "\n  in thread ", thread, " of block (0,0,0), ");
}

void expect_report(const std::string& name, const std::string& what, const std::string& thread) {
  const std::string report = report_of(name), expected = at_thread(name, what, thread);
  EXPECT_EQ(report.substr(0, expected.size()), expected) << report;
}

TEST(Mistakes, ShuffleFromALaneOutsideTheMask) {
  expect_report("outside_mask", "shuffle: lane 0 reads lane 20, which takes no part", "(0,0,0)");
}
TEST(Mistakes, MaskWithoutTheCaller) {
  expect_report("not_in_mask", "__shfl_sync: the mask does not name the calling lane 16", "(16,0,0)");
}
TEST(Mistakes, FullMaskInAShortWarp) {
  expect_report("short_warp", "__syncwarp names lane 16, but its warp has only 16 threads", "(32,0,0)");
}
TEST(Mistakes, ShuffleWidth) {
  expect_report("bad_width", "shuffle of width 24: must be a power of two up to 32", "(0,0,0)");
}
TEST(Mistakes, RelyingOnTheActiveMask) {
  expect_report("active_mask", "shuffle: lane 1 reads lane 0, which takes no part", "(1,0,0)");
}
TEST(Mistakes, MmaOnAPartialWarp) {
  expect_report("short_mma", "mma.sync.m16n8k16 names lane 16, but its warp has only 16 threads", "(0,0,0)");
}

TEST(Mistakes, MfmaAtWidth32AndOnAPartialWave) {
  const ScopedSettings restore;
  settings().warp_width = 32;
  const auto expect_mfma = [](const std::string& name, const std::string& what) {
    const std::string report = report_of(name), expected = at_thread("mfma", what, "(0,0,0)");
    EXPECT_EQ(report.substr(0, expected.size()), expected) << report;
  };
  expect_mfma("mfma_whole_wave", "mfma_16x16x16_bf16 is an instruction of 64 lanes; the warp width is 32");
  settings().warp_width = 64;
  EXPECT_EQ(report_of("mfma_whole_wave"), "");
  expect_mfma("mfma_partial_wave", "mfma_16x16x16_bf16 names lane 48, but its warp has only 48 threads");
}

TEST(Mistakes, ShuffleOfHalfAWave) {
  const ScopedSettings restore;
  settings().warp_width = 64;
  const std::string report = report_of("half_wave_shuffle");
  EXPECT_NE(report.find(line_of("half_wave_shuffle") + ": __shfl_xor of lanes 0xffffffffffffffff names an exited lane"),
            std::string::npos)
      << report;
}

/// Groups of waves a phase apart meet at different places; one that has no partner left, or another kind of barrier for
/// a partner, is found.
TEST(Mistakes, PhasesOfGroupsOfWaves) {
  const ScopedSettings restore;
  settings().warp_width = 64;
  std::vector<float> in(kMistakeFloats, 0);
  for (int i = 0; i < 128; ++i) in[i] = static_cast<float>(i);
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    settings().order = order;
    const std::vector<float> out = result_of("phases_apart", in);
    for (int i = 0; i < 128; ++i) ASSERT_EQ(out[i], in[i] + in[(i + 64) % 128]) << i;
    const std::string few = report_of("phase_too_few");
    EXPECT_NE(few.find("deadlock"), std::string::npos) << few;
    EXPECT_NE(few.find(line_of("phases.second")), std::string::npos) << few;
    const std::string mixed = report_of("phase_meets_barrier");
    for (const char* mark : {"phases.second", "phases.syncthreads"})
      EXPECT_NE(mixed.find(line_of(mark)), std::string::npos) << mixed;
  }
}

// ---- Memory

TEST(Mistakes, SharedMemoryReadBeforeWriteIsNaN) {
  const auto out = result_of("read_before_write", std::vector<float>(kMistakeFloats, 1));
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(std::isnan(out[i])) << i;
  EXPECT_EQ(out[64], 1);
}

std::vector<float> ramp() {
  std::vector<float> values(kMistakeFloats);
  for (int i = 0; i < kMistakeFloats; ++i) values[i] = static_cast<float>(i);
  return values;
}

TEST(Mistakes, AsynchronousCopyReadTooEarlyIsNaN) {
  const auto out = result_of("copy_not_waited", ramp());
  for (int i = 0; i < 64; ++i) {
    EXPECT_TRUE(std::isnan(out[i])) << i;
    EXPECT_EQ(out[64 + i], 256 + 4 * i);
  }
}
TEST(Mistakes, AsynchronousCopyWaitedForTooLittleIsNaN) {
  const auto out = result_of("copy_waited_too_little", ramp());
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(std::isnan(out[i])) << i;
}
TEST(Mistakes, AsynchronousCopyNobodyWaitsFor) {
  expect_report("copy_at_end", "the thread ends with 1 asynchronous copies that nobody waited for", "(0,0,0)");
}

/// The report begins with the marked line and contains `what`; addresses in it differ from run to run.
void expect_memory_report(const std::string& name, const std::string& what) {
  const std::string report = report_of(name);
  EXPECT_EQ(report.rfind(line_of(name) + ": ", 0), 0u) << report;
  EXPECT_NE(report.find(what), std::string::npos) << report;
  EXPECT_NE(report.find("in thread (0,0,0) of block (0,0,0)"), std::string::npos) << report;
}

TEST(Mistakes, AsynchronousCopyAddresses) {
  expect_memory_report("copy_misaligned", "is not aligned to the size");
  expect_memory_report("copy_to_global", "the destination is not shared memory");
}
TEST(Mistakes, LdmatrixRowAddress) {
  const std::string report = report_of("ldmatrix_misaligned");
  EXPECT_EQ(report.rfind(line_of("ldmatrix_misaligned") + ": ldmatrix: row 0x", 0), 0u) << report;
  EXPECT_NE(report.find("is not aligned to 16 bytes\n  in thread (1,0,0)"), std::string::npos) << report;
}
TEST(Mistakes, TooMuchDeclaredSharedMemory) {
  expect_memory_report("too_much_shared",
                       "shared memory: with large (36000 bytes) this kernel declares 52384 bytes, the limit is 49152");
}

#if !GLMV_SIMT_TSAN  // there it is a race, and tests/simt/sanitizer_test.cc sees it reported
TEST(Mistakes, MissingBarrierGivesAWrongResultInEveryOrder) {
  std::vector<float> in(kMistakeFloats);
  for (int i = 0; i < 2048; ++i) in[i] = static_cast<float>(i * 37 % 11);  // small integers: sums are exact
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    const ScopedSettings restore;
    settings().order = order;
    const auto right = result_of("both_barriers", in), wrong = result_of("missing_barrier", in);
    int differing = 0;
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 16; ++column) {
        float sum = 0;
        for (int k = 0; k < 64; ++k) sum += in[row * 64 + k] * in[1024 + k * 16 + column];
        EXPECT_EQ(right[2048 + row * 16 + column], sum);
        if (wrong[2048 + row * 16 + column] != sum) ++differing;
      }
    }
    EXPECT_GT(differing, 0) << static_cast<int>(order);
  }
}
#endif

TEST(Mistakes, CorrectKernelsGiveNoReport) {
  for (const char* name : {"both_barriers", "warp_reduction", "atomics", "whole_warp_barrier", "copy_with_barrier",
                           "with_fence", "large_block"}) {
    EXPECT_EQ(report_of(name), "") << name;
  }
}

TEST(Mistakes, TheEmulatorWorksOnAfterAMistake) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(report_of("barrier_against_shuffle"), "");
    EXPECT_EQ(report_of("whole_warp_barrier"), "");
  }
}

}  // namespace
}  // namespace glmv::simt
