#include "reference/linear.h"

#include "reference/core/matmul.h"

namespace glmv {

void check(const LinearArgs& a) {
  GLMV_CHECK(a.x.rank == 2 && a.w.data.rank == 2 && a.out.rank == 2, "x ", a.x, " w ", a.w, " out ", a.out);
  GLMV_CHECK(a.x.dim[1] == a.w.cols() && a.out.dim[0] == a.x.dim[0] && a.out.dim[1] == a.w.rows(), "x ", a.x, " w ",
             a.w, " out ", a.out);
  GLMV_CHECK(!a.bias || (a.bias.rank == 1 && a.bias.dim[0] == a.w.rows()), "bias ", a.bias, " w ", a.w);
}

namespace ref {

void linear(const LinearArgs& a, Exec exec) {
  check(a);
  matmul(a.x, a.w, a.bias, a.out, exec.reduction);
}

}  // namespace ref
}  // namespace glmv
