#include "reference/embedding.h"

#include <vector>

#include "reference/core/matmul.h"
#include "reference/core/rows.h"

namespace glmv {

void check(const EmbeddingArgs& a) {
  GLMV_CHECK(a.ids.dtype == DType::i32 && a.ids.rank == 1, a.ids);
  GLMV_CHECK(
      a.table.data.rank == 2 && a.out.rank == 2 && a.out.dim[0] == a.ids.dim[0] && a.out.dim[1] == a.table.cols(),
      "ids ", a.ids, " table ", a.table, " out ", a.out);
}

namespace ref {

void embedding(const EmbeddingArgs& a, Exec) {
  check(a);
  const auto id = as<int32_t, 1>(a.ids);
  with_accumulator(a.out.dtype, [&](auto acc) {
    std::vector<decltype(acc)> row(static_cast<size_t>(a.out.dim[1]));
    for (int64_t t = 0; t < id.dim[0]; ++t) {
      GLMV_CHECK(id(t) >= 0 && id(t) < a.table.rows(), "token ", t, " has id ", id(t), ", vocabulary ", a.table.rows());
      widen_weight(a.table, id(t), 0, a.out.dim[1], row.data());
      store_row(row.data(), a.out.dim[1], a.out.dtype, row_of(a.out, t));
    }
  });
}

}  // namespace ref
}  // namespace glmv
