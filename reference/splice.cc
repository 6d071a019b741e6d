#include "reference/splice.h"

#include <vector>

#include "reference/core/rows.h"

namespace glmv {

void check(const SpliceArgs& a) {
  GLMV_CHECK(a.rows.dtype == DType::i32 && a.rows.rank == 1, a.rows);
  GLMV_CHECK(
      a.features.rank == 2 && a.x.rank == 2 && a.features.dim[0] == a.rows.dim[0] && a.features.dim[1] == a.x.dim[1],
      "rows ", a.rows, " features ", a.features, " x ", a.x);
}

namespace ref {

void splice(const SpliceArgs& a, Exec) {
  check(a);
  const auto target = as<int32_t, 1>(a.rows);
  const int64_t width = a.x.dim[1];
  with_accumulator(a.x.dtype, [&](auto acc) {
    std::vector<decltype(acc)> row(static_cast<size_t>(width));
    for (int64_t i = 0; i < target.dim[0]; ++i) {
      GLMV_CHECK(target(i) >= 0 && target(i) < a.x.dim[0], "feature ", i, " goes to row ", target(i), " of ", a.x);
      load_row(row_of(a.features, i), a.features.dtype, width, row.data());
      store_row(row.data(), width, a.x.dtype, row_of(a.x, target(i)));
    }
  });
}

}  // namespace ref
}  // namespace glmv
