// Tensors as values: a pointer with a type, a space, extents and strides. Nothing here owns memory.
//
// TensorView is erased: it is what crosses an op boundary. View<T, R> is typed: what a body uses; as<T, R>(v)
// turns one into the other and checks once. Strides count elements, not bytes. Plain C++17 for device code.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "reference/core/dtype.h"
#include "reference/core/error.h"

namespace glmv {

/// Where memory lives. Host code that is handed a device view throws instead of crashing.
enum class Space : uint8_t { host, cuda, hip };
const char* name_of(Space s);

constexpr int kMaxRank = 5;

namespace detail {
/// Shared by the mutable and the const view; Pointer is void* or const void*.
template <class Pointer>
struct ErasedView {
  Pointer data = nullptr;
  DType dtype = DType::f32;
  Space space = Space::host;
  int rank = 0;
  int64_t dim[kMaxRank] = {};
  int64_t stride[kMaxRank] = {};  ///< in elements

  explicit operator bool() const { return data != nullptr; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dim[i];
    return n;
  }
  int64_t bytes() const { return size() * static_cast<int64_t>(size_of(dtype)); }
  /// True if the elements are adjacent in row-major order.
  bool contiguous() const {
    int64_t expected = 1;
    for (int i = rank - 1; i >= 0; --i) {
      if (dim[i] != 1 && stride[i] != expected) return false;
      expected *= dim[i];
    }
    return true;
  }
};
}  // namespace detail

/// A tensor that may be written.
struct TensorView : detail::ErasedView<void*> {};

/// A tensor that is only read; every TensorView is one.
struct ConstTensorView : detail::ErasedView<const void*> {
  ConstTensorView() = default;
  ConstTensorView(const TensorView& v) {  // NOLINT(google-explicit-constructor): a view to read is a view
    data = v.data;
    dtype = v.dtype;
    space = v.space;
    rank = v.rank;
    for (int i = 0; i < kMaxRank; ++i) dim[i] = v.dim[i], stride[i] = v.stride[i];
  }
};

/// Row-major view over memory that somebody else owns.
TensorView make_view(void* data, DType dtype, std::initializer_list<int64_t> dims, Space space = Space::host);
ConstTensorView make_view(const void* data, DType dtype, std::initializer_list<int64_t> dims,
                          Space space = Space::host);

/// Elements [begin, end) of one axis.
TensorView slice(const TensorView& v, int axis, int64_t begin, int64_t end);
ConstTensorView slice(const ConstTensorView& v, int axis, int64_t begin, int64_t end);

/// The same elements under other extents; the view must be contiguous and the element count equal.
TensorView reshape(const TensorView& v, std::initializer_list<int64_t> dims);
ConstTensorView reshape(const ConstTensorView& v, std::initializer_list<int64_t> dims);

/// The same number of axes, each of the same length.
bool equal_extents(const ConstTensorView& a, const ConstTensorView& b);

/// "bf16 [7,96,128]", for messages.
std::ostream& operator<<(std::ostream& out, const ConstTensorView& v);
std::ostream& operator<<(std::ostream& out, const TensorView& v);

/// Typed view of rank R. Indexing is not bounds-checked: check() of the op has done that.
template <class T, int R>
struct View {
  T* data = nullptr;
  int64_t dim[R] = {};
  int64_t stride[R] = {};

  template <class... Index>
  GLMV_HD T& operator()(Index... index) const {
    static_assert(sizeof...(Index) == R, "one index per axis");
    const int64_t i[R] = {static_cast<int64_t>(index)...};
    int64_t offset = 0;
    for (int r = 0; r < R; ++r) offset += i[r] * stride[r];
    return data[offset];
  }
};

namespace detail {
void check_typed(const ConstTensorView& v, DType dtype, int rank);

template <class T, int R, class Erased>
View<T, R> typed(const Erased& v) {
  View<T, R> out;
  out.data = static_cast<T*>(v.data);
  for (int i = 0; i < R; ++i) out.dim[i] = v.dim[i], out.stride[i] = v.stride[i];
  return out;
}
}  // namespace detail

/// Typed host view; throws if dtype, rank or space differ.
template <class T, int R>
View<T, R> as(const TensorView& v) {
  detail::check_typed(v, DTypeOf<T>::value, R);
  return detail::typed<T, R>(v);
}
template <class T, int R>
View<const T, R> as(const ConstTensorView& v) {
  detail::check_typed(v, DTypeOf<T>::value, R);
  return detail::typed<const T, R>(v);
}

}  // namespace glmv
