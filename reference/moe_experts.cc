#include "reference/moe_experts.h"

#include <cstring>

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
  GLMV_CHECK(last_axis_adjacent(a.x) && last_axis_adjacent(a.out), "x ", a.x, " out ", a.out);
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
      std::vector<Slot>& batch = slots[static_cast<size_t>(id(t, k))];
      GLMV_CHECK(batch.empty() || batch.back().token != t, "token ", t, " goes to expert ", id(t, k), " twice");
      batch.push_back({t, k});
    }
  }
  return slots;
}

/// Rows of the largest batch an expert gets, for every step of its MLP; experts take turns with them.
struct Buffers {
  Buffers(const MoeExpertsArgs& a, int64_t rows, int64_t inner_width, DType inner)
      : x(a.x.dtype, {rows, a.x.dim[1]}),
        gate(inner, {rows, inner_width}),
        up(inner, {rows, inner_width}),
        down(inner, {rows, a.out.dim[1]}) {}
  Tensor x, gate, up, down;
};

/// One expert's MLP on its own batch: down( silu(gate x) * up x ).
TensorView expert_mlp(const MoeExpertsArgs& a, size_t e, const std::vector<Slot>& slots, const Buffers& b, Exec exec) {
  const auto rows = static_cast<int64_t>(slots.size());
  const auto first_rows = [&](const Tensor& t) { return slice(t.view, 0, 0, rows); };
  const TensorView x = first_rows(b.x), gate = first_rows(b.gate), up = first_rows(b.up), down = first_rows(b.down);
  const size_t row_bytes = static_cast<size_t>(a.x.dim[1]) * size_of(a.x.dtype);
  parallel_for(rows, a.x.dim[1], [&](int64_t i) {
    std::memcpy(row_of(x, i), row_of(a.x, slots[static_cast<size_t>(i)].token), row_bytes);
  });
  matmul(x, a.experts.gate[e], {}, gate, exec.reduction);
  matmul(x, a.experts.up[e], {}, up, exec.reduction);
  silu_mul({gate, up, gate, a.rounding}, exec);
  matmul(gate, a.experts.down[e], {}, down, exec.reduction);
  return down;
}

/// sum[token] += weight * y for every slot of an expert; a token is in an expert's batch once.
template <class Acc>
void add_weighted(const MoeExpertsArgs& a, const std::vector<Slot>& slots, const TensorView& y, std::vector<Acc>& sum) {
  const auto weight = as<Acc, 2>(a.weights);
  const int64_t width = y.dim[1];
  parallel_for(y.dim[0], 4 * width, [&](int64_t i) {
    const Slot slot = slots[static_cast<size_t>(i)];
    std::vector<Acc> row(static_cast<size_t>(width));
    load_row(row_of(y, i), y.dtype, width, row.data());
    Acc* to = sum.data() + slot.token * width;
    for (size_t h = 0; h < row.size(); ++h) to[h] += weight(slot.token, slot.k) * row[h];
  });
}

template <class Acc>
void body(const MoeExpertsArgs& a, Exec exec) {
  const DType inner = a.rounding == Rounding::hf || a.out.dtype == DType::f64 ? a.out.dtype : DType::f32;
  const int64_t width = a.x.dim[1];
  std::vector<Acc> sum(static_cast<size_t>(a.x.size()), Acc(0));
  const std::vector<std::vector<Slot>> slots = by_expert(a);
  size_t largest = 0;
  for (size_t e = 0; e < slots.size(); ++e) largest = slots[e].size() > slots[largest].size() ? e : largest;
  const Buffers buffers(a, static_cast<int64_t>(slots[largest].size()), a.experts.gate[largest].rows(), inner);
  for (size_t e = 0; e < slots.size(); ++e) {
    if (!slots[e].empty()) add_weighted(a, slots[e], expert_mlp(a, e, slots[e], buffers, exec), sum);
  }
  parallel_for(a.x.dim[0], width,
               [&](int64_t t) { store_row(sum.data() + t * width, width, a.out.dtype, row_of(a.out, t)); });
}

}  // namespace

void moe_experts(const MoeExpertsArgs& a, Exec exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a, exec); });
}

}  // namespace ref
}  // namespace glmv
