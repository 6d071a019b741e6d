// x and w whose product is known, through the dense tile that no case is large enough for.
#pragma once

#include <gtest/gtest.h>

#include "hip/plan/linear.h"
#include "reference/linear.h"
#include "tests/hip/orders.h"

namespace glmv {

const hip_plan::Device kEmulatedDevice = {4, size_t{64} * 1024, 8, 64, true};

/// Small integers: sums are exact in any order.
inline float large_x_at(int64_t t, int64_t k) { return static_cast<float>((t * 7 + k * 3) % 5 - 2); }
inline float large_w_at(int64_t n, int64_t k) { return static_cast<float>((n * 11 + k * 5) % 7 - 3); }

inline void expect_large_tile_right(int64_t tokens, int64_t rows, int64_t depth, simt::Order order) {
  const simt::ScopedSettings saved;
  simt::settings().order = order;
  simt::settings().seed = 11;
  Arena arena(emulated());
  Tensor x(DType::bf16, {tokens, depth}), w(DType::bf16, {rows, depth});
  for (int64_t i = 0; i < tokens * depth; ++i) x.data<bf16>()[i] = bf16(large_x_at(i / depth, i % depth));
  for (int64_t i = 0; i < rows * depth; ++i) w.data<bf16>()[i] = bf16(large_w_at(i / depth, i % depth));
  const TensorView dx = arena.make(DType::bf16, {tokens, depth}), dw = arena.make(DType::bf16, {rows, depth});
  emulated().to_device(dx.data, x.view.data, static_cast<size_t>(x.view.bytes()));
  emulated().to_device(dw.data, w.view.data, static_cast<size_t>(w.view.bytes()));
  LinearArgs a;
  a.x = dx, a.w.data = dw;
  a.out = arena.make(DType::f32, {tokens, rows});
  ASSERT_EQ(hip_plan::plan_linear(a, kEmulatedDevice).tile.tokens, hip_plan::kDenseLarge.tokens);
  Exec exec;
  exec.arena = &arena;
  emulated().ops.linear(a, exec);
  const Tensor got = to_host(emulated(), a.out);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t n = 0; n < rows; ++n) {
      float sum = 0;
      for (int64_t k = 0; k < depth; ++k) sum += large_x_at(t, k) * large_w_at(n, k);
      ASSERT_EQ(got.data<float>()[t * rows + n], sum) << t << ' ' << n;
    }
  }
}

}  // namespace glmv
