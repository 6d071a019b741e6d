// The tuned kernels of linear and of the row ops on the emulator: what a case cannot say.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "cuda/plan/linear.h"
#include "reference/all_cases.h"
#include "reference/linear.h"
#include "reference/sample.h"
#include "tests/cuda/orders.h"

namespace glmv {
namespace {

TEST(Sample, ARowWithANanOrInfinityGivesMinusOneAndMinusInfinitiesTheLowestIndex) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  constexpr int64_t kWidth = 1300;
  struct Row {
    float fill;
    int64_t at;
    float value;
    int32_t expected;
  };
  const Row rows[] = {{0, 1299, nan, -1}, {0, 0, nan, -1},       {-inf, 700, -inf, 0},
                      {-inf, 5, inf, -1}, {-inf, 1299, 1, 1299}, {-inf, 1024, -3e38f, 1024}};
  for (DType d : {DType::f32, DType::bf16}) {
    const auto count = static_cast<int64_t>(std::size(rows));
    Tensor host(DType::f32, {count, kWidth}), typed(d, {count, kWidth});
    for (int64_t t = 0; t < count; ++t) {
      for (int64_t i = 0; i < kWidth; ++i) host.data<float>()[t * kWidth + i] = rows[t].fill;
      host.data<float>()[t * kWidth + rows[t].at] = rows[t].value;
    }
    convert(host.view, typed.view);
    Arena arena(emulated());
    const TensorView logits = arena.make(d, {count, kWidth}), ids = arena.make(DType::i32, {count});
    emulated().to_device(logits.data, typed.view.data, static_cast<size_t>(typed.view.bytes()));
    emulated().ops.sample({logits, ids}, {});
    const Tensor got = to_host(emulated(), ids);
    for (int64_t t = 0; t < count; ++t) EXPECT_EQ(got.data<int32_t>()[t], rows[t].expected) << name_of(d) << ' ' << t;
  }
}

TEST(Linear, WithoutItsScratchIsAnErrorBeforeAnyLaunch) {
  Arena arena(emulated());
  LinearArgs a;
  a.x = arena.make(DType::bf16, {7, 4096});
  a.w.data = arena.make(DType::bf16, {40, 4096});
  a.out = arena.make(DType::bf16, {7, 40});
  ASSERT_GT(emulated().ops.linear.scratch_bytes(a), 0u);
  try {
    emulated().ops.linear.run(a, {});
    FAIL() << "ran without scratch";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("bytes of scratch"), std::string::npos) << e.what();
  }
}

std::set<std::pair<cuda_plan::LinearPath, int>> paths_met;
void note_path(const LinearArgs& a, Exec) {
  const cuda_plan::LinearPlan p = cuda_plan::plan_linear(a, {4, 227 * cuda_plan::kKiB});  // the emulator's device
  paths_met.insert({p.path, p.splits > 1 ? -p.tile.columns : p.tile.columns});
}

/// Otherwise an allocator that aligns less, or a planner that refuses more, would take the tuned kernels out of every
/// test without a sound.
TEST(Linear, CasesMeetEveryKernelAndTile) {
  OpTable table;
  table.linear.run = note_path;
  for (const Case& c : all_cases()) {
    if (!c.small || c.name.rfind("linear/", 0) != 0) continue;
    CaseRun run(emulated(), c.dtype, c.dtype, 1);
    c.build(run, table)({});
  }
  using cuda_plan::LinearPath;
  for (const auto& [path, columns] : {std::pair{LinearPath::naive, 0},
                                      {LinearPath::gemv, 0},
                                      {LinearPath::skinny, 8},
                                      {LinearPath::skinny, 32},
                                      {LinearPath::skinny, 64},
                                      {LinearPath::skinny, -8},
                                      {LinearPath::skinny, -16},
                                      {LinearPath::skinny, -32},
                                      {LinearPath::dense, 64},
                                      {LinearPath::dense, 128}})
    EXPECT_TRUE(paths_met.count({path, columns})) << name_of(path) << " with " << columns << " columns";
}

/// 257 + 1 is 258; 257 rounded to bf16 is 256, and 256 + 1 rounded is 256 again. Noise of ordinary inputs hides that.
TEST(Linear, TheBiasIsAddedBeforeTheOneRounding) {
  for (const auto& [tokens, k] : {std::pair<int64_t, int64_t>{1, 264}, {7, 264}, {7, 1096}, {40, 264}, {65, 264}}) {
    Arena arena(emulated());
    constexpr int64_t kRows = 40;
    const auto filled = [&](std::initializer_list<int64_t> dims, auto value_of_column) {
      Tensor host(DType::bf16, dims);
      for (int64_t i = 0; i < host.view.size(); ++i)
        host.data<bf16>()[i] = bf16(value_of_column(i % host.view.dim[host.view.rank - 1]));
      const TensorView v = arena.make(DType::bf16, dims);
      emulated().to_device(v.data, host.view.data, static_cast<size_t>(v.bytes()));
      return v;
    };
    LinearArgs a;
    a.x = filled({tokens, k}, [](int64_t) { return 1.0f; });
    a.w.data = filled({kRows, k}, [](int64_t i) { return i < 257 ? 1.0f : 0.0f; });
    a.bias = filled({kRows}, [](int64_t) { return 1.0f; });
    a.out = arena.make(DType::bf16, {tokens, kRows});
    Exec exec;
    exec.arena = &arena;
    emulated().ops.linear(a, exec);
    const Tensor got = to_host(emulated(), a.out);
    for (int64_t i = 0; i < tokens * kRows; ++i) EXPECT_EQ(static_cast<float>(got.data<bf16>()[i]), 258.0f) << tokens;
  }
}

/// Rows of out beyond those of the view, and columns between them, stay as they were.
TEST(Linear, WritesNothingBetweenTheRowsOfOut) {
  for (int64_t tokens : {1, 7, 65}) {
    for (int64_t n : {40, 37}) {
      Arena arena(emulated());
      const int64_t k = 64, pitch = 48;
      LinearArgs a;
      a.x = arena.make(DType::bf16, {tokens, k});
      a.w.data = arena.make(DType::bf16, {n, k});
      const TensorView wide = arena.make(DType::bf16, {tokens + 1, pitch});
      a.out = slice(slice(wide, 0, 0, tokens), 1, 0, n);
      const std::vector<bf16> ones(static_cast<size_t>((tokens + n) * k), bf16(1));
      emulated().to_device(const_cast<void*>(a.x.data), ones.data(), static_cast<size_t>(tokens * k) * 2);
      emulated().to_device(const_cast<void*>(a.w.data.data), ones.data(), static_cast<size_t>(n * k) * 2);
      const std::vector<bf16> sevens(static_cast<size_t>((tokens + 1) * pitch), bf16(7));
      emulated().to_device(wide.data, sevens.data(), sevens.size() * 2);
      Exec exec;
      exec.arena = &arena;
      emulated().ops.linear(a, exec);
      const Tensor got = to_host(emulated(), wide);
      for (int64_t t = 0; t <= tokens; ++t) {
        for (int64_t i = 0; i < pitch; ++i) {
          const float expected = t < tokens && i < n ? static_cast<float>(k) : 7;
          EXPECT_EQ(static_cast<float>(got.data<bf16>()[t * pitch + i]), expected)
              << tokens << ' ' << n << ' ' << t << ' ' << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace glmv
