#include "reference/sample.h"

#include <limits>
#include <vector>

#include "reference/core/rows.h"

namespace glmv {

void check(const SampleArgs& a) {
  GLMV_CHECK(a.logits.rank == 2 && a.logits.dim[1] > 0 && last_axis_adjacent(a.logits), a.logits);
  GLMV_CHECK(a.ids.rank == 1 && a.ids.dtype == DType::i32 && a.ids.dim[0] == a.logits.dim[0], "ids ", a.ids, " logits ",
             a.logits);
}

namespace ref {

void sample(const SampleArgs& a, Exec) {
  check(a);
  const auto ids = as<int32_t, 1>(a.ids);
  std::vector<double> row(static_cast<size_t>(a.logits.dim[1]));
  for (int64_t t = 0; t < a.logits.dim[0]; ++t) {
    load_row(row_of(a.logits, t), a.logits.dtype, a.logits.dim[1], row.data());
    size_t best = 0;
    bool numbers = true;
    for (size_t i = 0; i < row.size(); ++i) {
      numbers = numbers && row[i] < std::numeric_limits<double>::infinity();  // NaN is not less either
      if (row[i] > row[best]) best = i;
    }
    ids(t) = numbers ? static_cast<int32_t>(best) : -1;
  }
}

}  // namespace ref
}  // namespace glmv
