// Deliberate mistakes with barriers, tensor loads and wgmma: found, and named by file and line.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "reference/core/dtype.h"
#include "reference/core/error.h"
#include "simt/settings.h"
#include "tests/simt/device_array.h"
#include "tests/simt/find_mistake.h"

namespace glmv::simt {
namespace {

/// Behind 256 floats of output are 64 rows of 64 bf16, row r all r + 1. The report, and what the outputs are.
struct Ran {
  std::string report;
  std::vector<float> out;
};
Ran run(const std::string& name) {
  std::vector<float> values(kMistakeFloats, 0);
  for (size_t i = 0; i < 2048; ++i) {
    const bf16 pair[2] = {bf16(static_cast<float>(i / 32 + 1)), bf16(static_cast<float>(i / 32 + 1))};
    memcpy(&values[256 + i], pair, sizeof(pair));
  }
  const DeviceArray<float> data(values);
  const char* report = find_mistake(name).run(data.data(), kMistakeFloats);
  return {report == nullptr ? "" : report, data.values()};
}

/// The report names the marked line and says `what`.
void expect_report(const std::string& name, const std::string& what) {
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    const ScopedSettings restore;
    settings().order = order;
    const std::string report = run(name).report;
    EXPECT_NE(report.find(line_of(name)), std::string::npos) << name << ": " << report;
    EXPECT_NE(report.find(what), std::string::npos) << name << ": " << report;
  }
}

void expect_all_nan(const std::string& name, size_t first) {
  const Ran r = run(name);
  EXPECT_EQ(r.report, "");
  for (size_t i = first; i < first + 128; ++i) EXPECT_TRUE(std::isnan(r.out[i])) << name << ' ' << i;
}

TEST(Sm90Mistakes, Barriers) {
  const std::string barrier = line_of("barrier");
  expect_report("too_few_arrivals",
                concat("phase 0 of the mbarrier initialised at ", barrier, " lacks 1 of 2 arrivals and 0 bytes"));
  expect_report("too_few_arrivals", "128 threads wait at");
  expect_report("too_many_arrivals", concat("more than the 1 arrivals that the mbarrier initialised at ", barrier));
  expect_report("wrong_parity", "lacks 1 of 1 arrivals and 0 bytes");
  expect_report("not_initialised", "mbarrier.arrive: no mbarrier was initialised there");
}

TEST(Sm90Mistakes, TensorLoads) {
  expect_report("no_expected_bytes", "expects 0; mbarrier.arrive.expect_tx must name them first");
  expect_report("too_many_bytes", "lacks 0 of 1 arrivals and 128 bytes");
  expect_report("load_forgotten", "the block ends with a tensor load that nobody waited for");
  expect_report("load_misaligned", "is not aligned to 128 bytes");
}

TEST(Sm90Mistakes, LoadReadTooEarlyIsNaN) {
  expect_all_nan("load_not_waited", 0);
  const Ran r = run("load_not_waited");
  for (size_t i = 128; i < 256; ++i) EXPECT_EQ(r.out[i], 1) << i;
}

TEST(Sm90Mistakes, Wgmma) {
  expect_report("wgmma_no_fence", "no wgmma.fence since the last wait");
  expect_report("wgmma_forgotten", "the thread ends with 1 wgmma that nobody waited for");
  expect_report("wgmma_one_warp", "wgmma: the warps of a warpgroup issued 1 and 0 instructions");
  expect_report("wgmma_beyond", "beyond shared memory");
  expect_report("wgmma_no_proxy_fence", "no fence.proxy.async of its thread has made visible");
}

TEST(Sm90Mistakes, ResultReadBeforeTheWaitIsNaN) { expect_all_nan("wgmma_early", 128); }

/// Sixteen products of row and column numbers, in register 0 of every thread.
float product_of(size_t thread) {
  const size_t row = thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
  return static_cast<float>(16 * (row + 1) * (column + 1));
}
size_t wrong_products(const std::string& name) {
  const Ran r = run(name);
  EXPECT_EQ(r.report, "");
  size_t wrong = 0;
  for (size_t i = 0; i < 128; ++i) wrong += r.out[i] != product_of(i) ? 1 : 0;
  return wrong;
}

TEST(Sm90Mistakes, WrongStrideGivesWrongNumbers) {
  EXPECT_EQ(wrong_products("wgmma_right"), 0u);
  EXPECT_EQ(wrong_products("wgmma_stride"), 128u - 32u) << "all rows but the first group of eight";
}

#if !GLMV_SIMT_TSAN  // there it is a race
/// A stage that is given back too early is overwritten while wgmma reads it.
TEST(Sm90Mistakes, StageReleasedWhileItIsReadGivesWrongNumbers) {
  for (const Order order : {Order::forward, Order::reverse, Order::random}) {
    const ScopedSettings restore;
    settings().order = order;
    EXPECT_GT(wrong_products("stage_released_early"), 0u) << static_cast<int>(order);
  }
}
#endif

}  // namespace
}  // namespace glmv::simt
