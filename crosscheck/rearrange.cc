#include "crosscheck/rearrange.h"

#include <algorithm>

#include "reference/core/error.h"

namespace glmv {

ConstTensorView Rearranged::keep(Tensor t) {
  made_.push_back(std::move(t));
  return made_.back().view;
}

ConstTensorView Rearranged::contiguous(const ConstTensorView& v) {
  if (v.contiguous()) return v;
  Tensor t(v.dtype, v);
  convert(v, t.view);
  return keep(std::move(t));
}

ConstTensorView Rearranged::gathered(const ConstTensorView& v, int axis, const std::vector<int64_t>& places) {
  ConstTensorView extents = v;
  extents.dim[axis] = static_cast<int64_t>(places.size());
  Tensor t(v.dtype, extents);
  for (size_t i = 0; i < places.size(); ++i) {
    const auto to = static_cast<int64_t>(i);
    convert(slice(v, axis, places[i], places[i] + 1), slice(t.view, axis, to, to + 1));
  }
  return keep(std::move(t));
}

ConstTensorView Rearranged::side_by_side(const std::vector<ConstTensorView>& parts) {
  ConstTensorView extents = parts.at(0);
  extents.dim[1] = 0;
  for (const ConstTensorView& part : parts) {
    GLMV_CHECK(fit_side_by_side(part, parts[0]), part, " beside ", parts[0]);
    extents.dim[1] += part.dim[1];
  }
  Tensor t(extents.dtype, extents);
  int64_t at = 0;
  for (const ConstTensorView& part : parts) {
    convert(part, slice(t.view, 1, at, at + part.dim[1]));
    at += part.dim[1];
  }
  return keep(std::move(t));
}

ConstTensorView Rearranged::sum(const ConstTensorView& a, const ConstTensorView& b) {
  GLMV_CHECK(equal_extents(a, b), a, " plus ", b);
  Tensor x(DType::f64, a), y(DType::f64, b), out(a.dtype, a);
  convert(a, x.view);
  convert(b, y.view);
  for (int64_t i = 0; i < a.size(); ++i) x.data<double>()[i] += y.data<double>()[i];
  convert(x.view, out.view);
  return keep(std::move(out));
}

ConstTensorView without_axis(const ConstTensorView& v, int axis) {
  ConstTensorView out = v;
  --out.rank;
  for (int i = axis; i < out.rank; ++i) out.dim[i] = v.dim[i + 1], out.stride[i] = v.stride[i + 1];
  return out;
}

ConstTensorView without_ones(ConstTensorView v, int rank, bool from_back) {
  while (v.rank > rank) {
    int axis = -1;
    for (int i = 0; i < v.rank; ++i) {
      if (v.dim[i] == 1 && (axis < 0 || from_back)) axis = i;
    }
    if (axis < 0) break;
    v = without_axis(v, axis);
  }
  return v;
}

ConstTensorView with_axes_exchanged(ConstTensorView v, int a, int b) {
  std::swap(v.dim[a], v.dim[b]);
  std::swap(v.stride[a], v.stride[b]);
  return v;
}

ConstTensorView as_rows(const ConstTensorView& v) {
  int64_t width = 1;
  for (int i = 1; i < v.rank; ++i) width *= v.dim[i];
  return reshape(v, {v.dim[0], width});
}

bool fit_side_by_side(const ConstTensorView& a, const ConstTensorView& b) {
  if (a.rank != b.rank || a.rank < 2 || a.dtype != b.dtype) return false;
  for (int i = 0; i < a.rank; ++i) {
    if (i != 1 && a.dim[i] != b.dim[i]) return false;
  }
  return true;
}

bool same_values(const ConstTensorView& a, const ConstTensorView& b) {
  if (!equal_extents(a, b)) return false;
  Tensor x(DType::f64, a), y(DType::f64, b);
  convert(a, x.view);
  convert(b, y.view);
  return std::equal(x.data<double>(), x.data<double>() + a.size(), y.data<double>());
}

void RuleLog::used(const std::string& rule, const std::string& name) {
  auto& [count, first] = rules_[rule];
  if (count++ == 0) first = name;
}

std::vector<std::string> RuleLog::sentences() const {
  std::vector<std::string> out;
  for (const auto& [rule, at] : rules_) {
    const auto& [count, first] = at;
    out.push_back(count == 1 ? concat(rule, ": ", first) : concat(rule, ": ", count, " tensors, the first is ", first));
  }
  return out;
}

}  // namespace glmv
