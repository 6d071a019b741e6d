// Mistakes that only a sanitizer finds. Each runs in a process of its own, because the sanitizer ends it; the tests
// exist only in the build of that sanitizer.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "reference/core/error.h"
#include "tests/simt/find_mistake.h"

namespace glmv::simt {
namespace {

struct Outcome {
  int code;
  std::string text;
};

[[maybe_unused]] Outcome run_mistake(const std::string& name, const std::string& order = "") {
  const std::string command = concat(GLMV_SIMT_MISTAKE, ' ', name, ' ', order, " 2>&1");
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {-1, "cannot start " + command};
  Outcome outcome = {0, ""};
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) outcome.text.append(buffer, n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

[[maybe_unused]] void expect_found(const std::string& name, const std::string& kind,
                                   std::initializer_list<const char*> marks, const std::string& order = "") {
  const Outcome outcome = run_mistake(name, order);
  EXPECT_NE(outcome.code, 0) << name << ": nothing found";
  EXPECT_NE(outcome.text.find(kind), std::string::npos) << name << ": no \"" << kind << "\" in\n" << outcome.text;
  for (const char* mark : marks) {
    EXPECT_NE(outcome.text.find(line_of(mark)), std::string::npos) << name << ": no line " << line_of(mark) << " in\n"
                                                                   << outcome.text;
  }
}

[[maybe_unused]] void expect_silent(const std::string& name, const std::string& order = "") {
  const Outcome outcome = run_mistake(name, order);
  EXPECT_EQ(outcome.code, 0) << name << ' ' << order << '\n' << outcome.text;
  EXPECT_EQ(outcome.text, "") << name << ' ' << order;
}

constexpr const char* kCorrect[] = {"both_barriers",      "warp_reduction",    "atomics",
                                    "whole_warp_barrier", "copy_with_barrier", "with_fence",
                                    "large_block",        "wgmma_right",       "phases_apart"};

[[maybe_unused]] void expect_correct_kernels_silent() {
  for (const char* name : kCorrect) {
    for (const char* order : {"", "random"}) expect_silent(name, order);
  }
}

#if GLMV_SIMT_TSAN

constexpr const char* kRace = "WARNING: ThreadSanitizer: data race";

TEST(RaceChecker, ReportsNameTheThreads) {
  const Outcome outcome = run_mistake("two_blocks");
  for (const char* thread : {"'thread (0,0,0) of block (0,0,0)'", "'thread (0,0,0) of block (1,0,0)'"}) {
    EXPECT_NE(outcome.text.find(thread), std::string::npos) << outcome.text;
  }
}

TEST(RaceChecker, MissingSecondBarrierInTheGemmLoop) {
  for (const char* order : {"", "reverse", "random"}) {
    expect_found("missing_barrier", kRace, {"missing_barrier.write", "missing_barrier.read"}, order);
  }
}
TEST(RaceChecker, RaceWhoseValueIsRightByChance) { expect_found("right_by_chance", kRace, {"right_by_chance"}); }
TEST(RaceChecker, LockstepInsideAWarp) { expect_found("lockstep", kRace, {"lockstep"}); }
TEST(RaceChecker, AShuffleOrdersNoMemory) {
  expect_found("ordered_by_shuffle", kRace, {"ordered_by_shuffle.write", "ordered_by_shuffle.read"});
}
TEST(RaceChecker, TwoBlocksWriteOneAddress) { expect_found("two_blocks", kRace, {"two_blocks"}); }
TEST(RaceChecker, BarrierOfHalfAWarpOrdersOnlyThatHalf) {
  expect_found("half_warp_barrier", kRace, {"half_warp.write", "half_warp.read"});
}
TEST(RaceChecker, StageGivenBackWhileWgmmaReadsIt) {
  for (const char* order : {"", "reverse", "random"})
    expect_found("stage_released_early", kRace, {"stage_released_early"}, order);
}
TEST(RaceChecker, NeighboursCopyReadWithoutABarrier) {
  expect_found("copy_without_barrier", kRace, {"copy_without_barrier"});
}
TEST(RaceChecker, LastBlockWithoutAFence) { expect_found("no_fence", kRace, {"no_fence.write", "no_fence.read"}); }
TEST(RaceChecker, CorrectKernelsGiveNoReport) { expect_correct_kernels_silent(); }

#elif GLMV_SIMT_ASAN

TEST(AddressChecker, IndexBeyondSharedArray) {
  expect_found("shared_index", "index 64 out of bounds for type 'float [64]'", {"shared_index"});
}
TEST(AddressChecker, PointerBeyondSharedArray) {
  expect_found("shared_overrun", "use-after-poison", {"shared_overrun"});
}
TEST(AddressChecker, BeyondDynamicSharedMemory) {
  expect_found("dynamic_overrun", "use-after-poison", {"dynamic_overrun"});
}
TEST(AddressChecker, OnePastDeviceMemory) {
  expect_found("global_overrun", "heap-buffer-overflow", {"global_overrun"});
}
TEST(AddressChecker, ShiftBy32) { expect_found("shift", "shift exponent 32 is too large", {"shift"}); }
TEST(AddressChecker, CorrectKernelsGiveNoReport) { expect_correct_kernels_silent(); }

#else

TEST(PlainBuild, CorrectKernelsGiveNoReport) { expect_correct_kernels_silent(); }

#endif

}  // namespace
}  // namespace glmv::simt
