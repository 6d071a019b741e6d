#include "reference/moe_experts.h"

#include "reference/core/arena.h"
#include "reference/core/matmul.h"
#include "reference/core/parallel.h"
#include "reference/core/rows.h"
#include "reference/silu_mul.h"

namespace glmv {

void check(const MoeExpertsArgs& a) {
  GLMV_CHECK(a.x.rank == 2 && a.out.rank == 2 && a.x.dim[0] == a.out.dim[0] && a.x.dim[1] == a.out.dim[1] &&
                 a.x.dtype == a.out.dtype,
             "x ", a.x, " out ", a.out);
  GLMV_CHECK(a.ids.rank == 2 && a.ids.dtype == DType::i32 && a.ids.dim[0] == a.x.dim[0], "ids ", a.ids, " x ", a.x);
  GLMV_CHECK(a.weights.rank == 2 && a.weights.dim[0] == a.ids.dim[0] && a.weights.dim[1] == a.ids.dim[1], "ids ", a.ids,
             " weights ", a.weights);
  GLMV_CHECK(a.weights.dtype == (a.x.dtype == DType::f64 ? DType::f64 : DType::f32), "weights ", a.weights);
  GLMV_CHECK(a.experts.count > 0 && a.experts.gate && a.experts.up && a.experts.down, a.experts.count, " experts");
}

namespace ref {
namespace {

/// A token's place in an expert's batch.
struct Slot {
  int64_t token, k;
};

std::vector<std::vector<Slot>> by_expert(const MoeExpertsArgs& a) {
  const auto id = as<int32_t, 2>(a.ids);
  std::vector<std::vector<Slot>> slots(static_cast<size_t>(a.experts.count));
  for (int64_t t = 0; t < id.dim[0]; ++t) {
    for (int64_t k = 0; k < id.dim[1]; ++k) {
      GLMV_CHECK(id(t, k) >= 0 && id(t, k) < a.experts.count, "token ", t, " goes to expert ", id(t, k), " of ",
                 a.experts.count);
      slots[static_cast<size_t>(id(t, k))].push_back({t, k});
    }
  }
  return slots;
}

/// One expert's MLP on its own batch: down( silu(gate x) * up x ). inner = type of everything in between.
Tensor expert_mlp(const MoeExpertsArgs& a, size_t e, const std::vector<Slot>& slots, DType inner, Exec exec) {
  const auto rows = static_cast<int64_t>(slots.size());
  const Weight &gate = a.experts.gate[e], &up = a.experts.up[e], &down = a.experts.down[e];
  Tensor x(a.x.dtype, {rows, a.x.dim[1]}), g(inner, {rows, gate.rows()}), u(inner, {rows, up.rows()});
  for (int64_t i = 0; i < rows; ++i) {
    convert(reshape(slice(a.x, 0, slots[static_cast<size_t>(i)].token, slots[static_cast<size_t>(i)].token + 1),
                    {1, a.x.dim[1]}),
            slice(x.view, 0, i, i + 1));
  }
  matmul(x.view, gate, {}, g.view, exec.reduction);
  matmul(x.view, up, {}, u.view, exec.reduction);
  silu_mul({g.view, u.view, g.view, a.rounding}, exec);
  Tensor y(inner, {rows, down.rows()});
  matmul(g.view, down, {}, y.view, exec.reduction);
  return y;
}

template <class Acc>
void body(const MoeExpertsArgs& a, Exec exec) {
  const DType inner = a.rounding == Rounding::hf || a.out.dtype == DType::f64 ? a.out.dtype : DType::f32;
  const auto weight = as<Acc, 2>(a.weights);
  const int64_t width = a.x.dim[1];
  std::vector<Acc> sum(static_cast<size_t>(a.x.size()), Acc(0));
  const std::vector<std::vector<Slot>> slots = by_expert(a);
  for (size_t e = 0; e < slots.size(); ++e) {
    if (slots[e].empty()) continue;
    const Tensor y = expert_mlp(a, e, slots[e], inner, exec);
    parallel_for(static_cast<int64_t>(slots[e].size()), 4 * width, [&](int64_t i) {
      const Slot slot = slots[e][static_cast<size_t>(i)];
      std::vector<Acc> row(static_cast<size_t>(width));
      load_row(row_of(y.view, i), inner, width, row.data());
      Acc* to = sum.data() + slot.token * width;
      for (size_t h = 0; h < row.size(); ++h) to[h] += weight(slot.token, slot.k) * row[h];
    });
  }
  for (int64_t t = 0; t < a.x.dim[0]; ++t) store_row(sum.data() + t * width, width, a.out.dtype, row_of(a.out, t));
}

}  // namespace

void moe_experts(const MoeExpertsArgs& a, Exec exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a, exec); });
}

}  // namespace ref
}  // namespace glmv
