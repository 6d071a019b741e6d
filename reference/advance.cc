#include "reference/advance.h"

namespace glmv {

void check(const AdvanceArgs& a) {
  const int64_t sequences = a.next.dim[0];
  const auto per_sequence = [&](const ConstTensorView& v) {
    GLMV_CHECK(v.dtype == DType::i32 && v.rank == 1 && v.dim[0] == sequences, v, " next ", a.next);
  };
  for (const ConstTensorView& v : {a.next, a.lengths}) per_sequence(v);
  for (const ConstTensorView v : {a.ids_out, a.lengths_out, a.slots_out}) per_sequence(v);
  for (const ConstTensorView& v : {a.positions, ConstTensorView(a.positions_out)}) {
    GLMV_CHECK(v.dtype == DType::i32 && v.rank == 2 && v.dim[0] == 3 && v.dim[1] == sequences, v, " next ", a.next);
  }
  GLMV_CHECK(a.page_table.dtype == DType::i32 && a.page_table.rank == 2 && a.page_table.dim[0] == sequences,
             a.page_table, " next ", a.next);
  GLMV_CHECK(a.page_size > 0, "pages of ", a.page_size, " tokens");
}

namespace ref {

void advance(const AdvanceArgs& a, Exec) {
  check(a);
  const auto next = as<int32_t, 1>(a.next), lengths = as<int32_t, 1>(a.lengths);
  const auto positions = as<int32_t, 2>(a.positions), pages = as<int32_t, 2>(a.page_table);
  const auto ids_out = as<int32_t, 1>(a.ids_out), lengths_out = as<int32_t, 1>(a.lengths_out);
  const auto slots_out = as<int32_t, 1>(a.slots_out);
  const auto positions_out = as<int32_t, 2>(a.positions_out);
  for (int64_t b = 0; b < next.dim[0]; ++b) {
    const int64_t n = lengths(b), page = n / a.page_size;
    GLMV_CHECK(n >= 0 && page < pages.dim[1], "token ", n, " of sequence ", b, ", ", pages.dim[1], " pages of ",
               a.page_size);
    ids_out(b) = next(b);
    for (int64_t axis = 0; axis < 3; ++axis) positions_out(axis, b) = positions(axis, b) + 1;
    slots_out(b) = static_cast<int32_t>(pages(b, page) * a.page_size + n % a.page_size);
    lengths_out(b) = static_cast<int32_t>(n + 1);
  }
}

}  // namespace ref
}  // namespace glmv
