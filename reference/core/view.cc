#include "reference/core/view.h"

#include <algorithm>

namespace glmv {
namespace {

template <class Erased, class Pointer>
Erased row_major(Pointer data, DType dtype, std::initializer_list<int64_t> dims, Space space) {
  GLMV_CHECK(static_cast<int>(dims.size()) <= kMaxRank, "rank ", dims.size());
  Erased v;
  v.data = data;
  v.dtype = dtype;
  v.space = space;
  v.rank = static_cast<int>(dims.size());
  int i = 0;
  for (int64_t d : dims) {
    GLMV_CHECK(d >= 0, "extent ", d, " of axis ", i);
    v.dim[i++] = d;
  }
  int64_t stride = 1;
  for (i = v.rank - 1; i >= 0; --i) {
    v.stride[i] = stride;
    stride *= v.dim[i];
  }
  return v;
}

template <class Erased, class Byte>
Erased sliced(const Erased& v, int axis, int64_t begin, int64_t end) {
  GLMV_CHECK(axis >= 0 && axis < v.rank, "axis ", axis, " of ", v);
  GLMV_CHECK(0 <= begin && begin <= end && end <= v.dim[axis], '[', begin, ',', end, ") of axis ", axis, " of ", v);
  Erased out = v;
  out.data = static_cast<Byte*>(v.data) + begin * v.stride[axis] * static_cast<int64_t>(size_of(v.dtype));
  out.dim[axis] = end - begin;
  return out;
}

template <class Erased>
Erased reshaped(const Erased& v, std::initializer_list<int64_t> dims) {
  GLMV_CHECK(v.contiguous(), "cannot reshape a strided view ", v);
  Erased out = row_major<Erased>(v.data, v.dtype, dims, v.space);
  GLMV_CHECK(out.size() == v.size(), "reshape ", v, " to ", out);
  return out;
}

template <class Erased>
std::ostream& print(std::ostream& out, const Erased& v) {
  if (v.data == nullptr && v.rank == 0) return out << "(none)";
  out << name_of(v.dtype) << " [";
  for (int i = 0; i < v.rank; ++i) out << (i ? "," : "") << v.dim[i];
  return out << ']';
}

}  // namespace

bool equal_extents(const ConstTensorView& a, const ConstTensorView& b) {
  return a.rank == b.rank && std::equal(a.dim, a.dim + a.rank, b.dim);
}

const char* name_of(Space s) {
  switch (s) {
    case Space::host: return "host";
    case Space::cuda: return "cuda";
    case Space::hip: return "hip";
  }
  return "?";
}

TensorView make_view(void* data, DType dtype, std::initializer_list<int64_t> dims, Space space) {
  return row_major<TensorView>(data, dtype, dims, space);
}
ConstTensorView make_view(const void* data, DType dtype, std::initializer_list<int64_t> dims, Space space) {
  return row_major<ConstTensorView>(data, dtype, dims, space);
}

TensorView slice(const TensorView& v, int axis, int64_t begin, int64_t end) {
  return sliced<TensorView, char>(v, axis, begin, end);
}
ConstTensorView slice(const ConstTensorView& v, int axis, int64_t begin, int64_t end) {
  return sliced<ConstTensorView, const char>(v, axis, begin, end);
}

TensorView reshape(const TensorView& v, std::initializer_list<int64_t> dims) { return reshaped(v, dims); }
ConstTensorView reshape(const ConstTensorView& v, std::initializer_list<int64_t> dims) { return reshaped(v, dims); }

std::ostream& operator<<(std::ostream& out, const ConstTensorView& v) { return print(out, v); }
std::ostream& operator<<(std::ostream& out, const TensorView& v) { return print(out, v); }

namespace detail {

void check_typed(const ConstTensorView& v, DType dtype, int rank) {
  GLMV_CHECK(v.data != nullptr || v.size() == 0, "no data in ", v);
  GLMV_CHECK(v.space == Space::host, "a ", name_of(v.space), " view in host code: ", v);
  GLMV_CHECK(v.dtype == dtype && v.rank == rank, "expected ", name_of(dtype), " of rank ", rank, ", got ", v);
}

}  // namespace detail
}  // namespace glmv
