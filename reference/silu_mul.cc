#include "reference/silu_mul.h"

#include "reference/core/parallel.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const SiluMulArgs& a) {
  for (const ConstTensorView& v : {a.gate, a.up}) {
    GLMV_CHECK(v.rank == 2 && v.dim[0] == a.out.dim[0] && v.dim[1] == a.out.dim[1] && v.dtype == a.out.dtype, v,
               " out ", a.out);
    GLMV_CHECK(last_axis_adjacent(v) && last_axis_adjacent(a.out), v, " out ", a.out);
  }
}

namespace ref {
namespace {

/// Widened row, filled up with zeros to whole vectors so that every element goes through the same exponential.
template <class Acc>
std::vector<Acc> padded_row(const ConstTensorView& v, int64_t t) {
  constexpr int kLanes = simd::Lanes<Acc>::count;
  std::vector<Acc> row(static_cast<size_t>((v.dim[1] + kLanes - 1) / kLanes * kLanes), Acc(0));
  load_row(row_of(v, t), v.dtype, v.dim[1], row.data());
  return row;
}

template <class Acc>
void body(const SiluMulArgs& a, Reduction reduction) {
  constexpr size_t kLanes = simd::Lanes<Acc>::count;
  const bool round_silu = a.rounding == Rounding::hf && a.out.dtype != DType::f64 && a.out.dtype != DType::f32;
  parallel_for(a.out.dim[0], 16 * a.out.dim[1], [&](int64_t t) {
    std::vector<Acc> gate = padded_row<Acc>(a.gate, t), up = padded_row<Acc>(a.up, t);
    for (size_t f = 0; f < gate.size(); f += kLanes) {
      const simd::Vec<Acc> g = simd::load(&gate[f]);
      simd::store(&gate[f], g / (exp_in(reduction, -g) + Acc(1)));
    }
    if (round_silu) round_row(a.out.dtype, gate.data(), a.out.dim[1]);
    for (size_t f = 0; f < gate.size(); f += kLanes) {
      simd::store(&gate[f], simd::load(&gate[f]) * simd::load(&up[f]));
    }
    store_row(gate.data(), a.out.dim[1], a.out.dtype, row_of(a.out, t));
  });
}

}  // namespace

void silu_mul(const SiluMulArgs& a, Exec exec) {
  check(a);
  with_accumulator(a.out.dtype, [&](auto acc) { body<decltype(acc)>(a, exec.reduction); });
}

}  // namespace ref
}  // namespace glmv
