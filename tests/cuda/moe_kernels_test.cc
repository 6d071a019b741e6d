// Inside the tuned MoE kernels, on the emulator: the alignment and the order of sums.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "cuda/backend.h"
#include "cuda/moe_align.h"
#include "reference/all_cases.h"
#include "reference/moe_experts.h"
#include "reference/moe_route.h"
#include "tests/cuda/orders.h"

namespace glmv {
namespace {

const Backend& device() { return emulated(); }

// ---- Alignment

/// Device memory that is filled from, and read into, the host's.
class DeviceInts {
 public:
  explicit DeviceInts(size_t count) : data_(static_cast<int32_t*>(device().alloc(count * 4))) {}
  explicit DeviceInts(const std::vector<int32_t>& values) : DeviceInts(values.size()) {
    device().to_device(data_, values.data(), values.size() * 4);
  }
  ~DeviceInts() { device().free(data_); }
  DeviceInts(const DeviceInts&) = delete;
  DeviceInts& operator=(const DeviceInts&) = delete;
  int32_t* data() const { return data_; }

 private:
  int32_t* data_;
};

std::vector<int32_t> read(const void* from, size_t count) {
  std::vector<int32_t> values(count);
  device().to_host(values.data(), from, count * 4);
  return values;
}

struct Choice {
  int64_t tokens, k, experts;
  std::vector<int32_t> ids;

  size_t slots() const { return static_cast<size_t>(tokens * k); }
};

/// What moe_align says, on the host.
struct Aligned {
  std::vector<int32_t> offsets, slot_of_row, row_of_slot, tiles;
};

Aligned align(const Choice& c, int tile_rows) {
  const cuda_plan::AlignPlan plan = cuda_plan::plan_align(c.tokens * c.k, c.experts, tile_rows);
  const DeviceInts ids(c.ids), memory(plan.bytes / 4);
  const cuda_emulated::Alignment to = cuda_emulated::place_alignment(memory.data(), plan);
  cuda_emulated::moe_align(make_view(ids.data(), DType::i32, {c.tokens, c.k}, Space::cuda), c.experts, to, plan, {});
  return {read(to.offsets, static_cast<size_t>(c.experts) + 1), read(to.slot_of_row, c.slots()),
          read(to.row_of_slot, c.slots()), read(to.tiles, 4 * static_cast<size_t>(plan.row_tiles))};
}

void expect_stable_order(const Choice& c, const Aligned& got) {
  std::vector<int32_t> order;
  for (size_t slot = 0; slot < c.slots(); ++slot) {
    if (c.ids[slot] >= 0 && c.ids[slot] < c.experts) order.push_back(static_cast<int32_t>(slot));
  }
  const auto id = [&](int32_t slot) { return c.ids[static_cast<size_t>(slot)]; };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return id(a) < id(b); });
  std::vector<int32_t> row_of_slot(c.slots(), -1);
  for (size_t row = 0; row < order.size(); ++row)
    row_of_slot[static_cast<size_t>(order[row])] = static_cast<int32_t>(row);
  EXPECT_EQ(std::vector(got.slot_of_row.begin(), got.slot_of_row.begin() + static_cast<std::ptrdiff_t>(order.size())),
            order);
  EXPECT_EQ(got.row_of_slot, row_of_slot);
  for (int32_t e = 0; e <= c.experts; ++e) {
    const auto below = std::count_if(order.begin(), order.end(), [&](int32_t slot) { return id(slot) < e; });
    EXPECT_EQ(got.offsets[static_cast<size_t>(e)], below) << "expert " << e;
  }
}

void expect_tiles(const Choice& c, const Aligned& got, int tile_rows) {
  size_t at = 0;
  for (int32_t e = 0; e < c.experts; ++e) {
    const int32_t end = got.offsets[static_cast<size_t>(e) + 1];
    for (int32_t row = got.offsets[static_cast<size_t>(e)]; row < end; row += tile_rows, ++at) {
      ASSERT_LT(4 * at, got.tiles.size());
      const int32_t* tile = &got.tiles[4 * at];
      EXPECT_EQ(tile[0], e);
      EXPECT_EQ(tile[1], row);
      EXPECT_EQ(tile[2], std::min(tile_rows, end - row));
    }
  }
  for (; 4 * at < got.tiles.size(); ++at) EXPECT_EQ(got.tiles[4 * at], -1);
}

void expect_aligned(const Choice& c) {
  SCOPED_TRACE(concat(c.tokens, " tokens, ", c.k, " of ", c.experts));
  for (const int tile_rows : {16, 64}) {
    const Aligned got = align(c, tile_rows);
    expect_stable_order(c, got);
    expect_tiles(c, got, tile_rows);
  }
}

/// K different experts for each token, in any order.
Choice random_choice(int64_t tokens, int64_t k, int64_t experts) {
  Choice c{tokens, k, experts, {}};
  std::mt19937 engine(7);
  std::vector<int32_t> all(static_cast<size_t>(experts));
  std::iota(all.begin(), all.end(), 0);
  for (int64_t t = 0; t < tokens; ++t) {
    std::shuffle(all.begin(), all.end(), engine);
    c.ids.insert(c.ids.end(), all.begin(), all.begin() + k);
  }
  return c;
}

TEST(MoeAlign, IsAStableSort) {
  for (const auto& [tokens, k, experts] : {std::array<int64_t, 3>{1, 1, 1},
                                           {1, 8, 128},
                                           {2, 8, 128},
                                           {17, 3, 12},
                                           {65, 8, 128},
                                           {400, 8, 128},
                                           {129, 2, 256},
                                           {33, 5, 7}}) {
    expect_aligned(random_choice(tokens, k, experts));
  }
}

TEST(MoeAlign, OneExpertTakesEverything) {
  for (const int32_t e : {0, 5, 11}) expect_aligned({700, 1, 12, std::vector<int32_t>(700, e)});
}

TEST(MoeAlign, ManySlotsInOneLaunchAndInThree) {
  expect_aligned(random_choice(cuda_plan::kOneLaunchSlots / 8, 8, 128));
  expect_aligned(random_choice(cuda_plan::kOneLaunchSlots / 8 + 3, 8, 128));
  expect_aligned({40000, 1, 3, std::vector<int32_t>(40000, 1)});
}

TEST(MoeAlign, IdsThatNameNoExpertGetNoRow) { expect_aligned({4, 2, 3, {0, 7, -1, 2, 3, 1, 2, 0}}); }

TEST(MoeAlign, IdsMayHaveStrides) {
  const cuda_plan::AlignPlan plan = cuda_plan::plan_align(6, 4, 16);
  const DeviceInts ids({1, 9, 0, 9, 3, 9, 1, 9, 2, 9, 3, 9}), memory(plan.bytes / 4);
  const cuda_emulated::Alignment to = cuda_emulated::place_alignment(memory.data(), plan);
  ConstTensorView view = make_view(ids.data(), DType::i32, {3, 2}, Space::cuda);
  view.stride[0] = 4, view.stride[1] = 2;
  cuda_emulated::moe_align(view, 4, to, plan, {});
  EXPECT_EQ(read(to.slot_of_row, 6), (std::vector<int32_t>{1, 0, 3, 4, 2, 5}));
}

// ---- The order of the sum

/// out of three experts whose outputs cancel unless they are added in ascending order. `order`: of a token's slots.
std::vector<uint16_t> out_in_order(int64_t tokens, Rounding rounding, const std::vector<int32_t>& order) {
  CaseRun run(device(), DType::bf16, DType::bf16, 1);
  const float weight[] = {0x1p30f, -0x1p30f, 1.0f};
  std::vector<int32_t> ids;
  std::vector<double> weights;
  for (int64_t t = 0; t < tokens; ++t) {
    for (const int32_t e : order) ids.push_back(e), weights.push_back(static_cast<double>(weight[e]));
  }
  const ExpertWeights made = run.experts(3, 16, 32);
  const Weight gate[] = {made.gate[0], made.gate[0], made.gate[2]}, up[] = {made.up[0], made.up[0], made.up[2]},
               down[] = {made.down[0], made.down[0], made.down[2]};
  MoeExpertsArgs a;
  a.x = run.input("x", {tokens, 32});
  a.ids = run.ids("ids", ids, {tokens, 3});
  a.weights = run.values("weights", DType::f32, weights, {tokens, 3});
  a.experts = {gate, up, down, 3};
  a.out = run.output("out", {tokens, 32});
  a.rounding = rounding;
  Arena arena(device());
  device().ops.moe_experts(a, {{}, {}, Reduction::blocked, &arena});
  const Tensor out = run.fetch(run.items().back());
  const auto* bits = static_cast<const uint16_t*>(out.view.data);
  return {bits, bits + out.view.size()};
}

TEST(MoeExperts, SumAscendsWhateverTheOrderOfTheSlots) {
  for (const int64_t tokens : {2, 9}) {
    for (const Rounding rounding : {Rounding::hf, Rounding::once}) {
      std::vector<int32_t> order = {0, 1, 2};
      const std::vector<uint16_t> ascending = out_in_order(tokens, rounding, order);
      while (std::next_permutation(order.begin(), order.end())) {
        EXPECT_EQ(out_in_order(tokens, rounding, order), ascending) << tokens << " tokens, " << name_of(rounding);
      }
    }
  }
}

}  // namespace
}  // namespace glmv
