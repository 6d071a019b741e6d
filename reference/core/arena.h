// Memory of a forward pass: a bump allocator over a backend's memory, and an owning host tensor.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <vector>

#include "reference/core/backend.h"

namespace glmv {

/// Activations of one step. make() never zeroes; everything is given back at once by rewind().
/// Memory grows in chunks, so views stay valid; a device backend reserves what a step needs beforehand.
class Arena {
 public:
  explicit Arena(const Backend& backend, size_t reserve_bytes = 0);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Uninitialised row-major tensor, 64-byte aligned.
  TensorView make(DType dtype, std::initializer_list<int64_t> dims);

  /// One piece of at least that many bytes, taken now unless there is one. Error: as the backend's alloc.
  void reserve(size_t bytes);
  bool has(size_t bytes) const;  ///< such a piece
  /// What a tensor of that many bytes takes from it.
  static size_t taken_by(size_t bytes);

  struct Mark {
    size_t chunk = 0;
    size_t used = 0;
  };
  Mark mark() const { return at_; }
  void rewind(Mark m) { at_ = m; }

  /// Largest number of bytes in use so far.
  size_t peak_bytes() const { return peak_; }
  const Backend& backend() const { return backend_; }

 private:
  struct Chunk {
    char* data = nullptr;
    size_t bytes = 0;
  };
  const Backend& backend_;
  std::vector<Chunk> chunks_;
  Mark at_;
  size_t peak_ = 0;
};

/// Gives back to the arena at the end of a scope what was made inside it.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.rewind(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

/// A host tensor that owns its (shared) memory; copies share it.
struct Tensor {
  std::shared_ptr<char[]> storage;
  TensorView view;

  Tensor() = default;
  Tensor(DType dtype, std::initializer_list<int64_t> dims);  ///< zero-filled
  Tensor(DType dtype, const ConstTensorView& like);          ///< zero-filled, extents of `like`
  /// Not filled: for a large one whose every element is written at once.
  static Tensor unfilled(DType dtype, std::initializer_list<int64_t> dims);

  explicit operator bool() const { return static_cast<bool>(view); }
  template <class T>
  T* data() const {
    return static_cast<T*>(view.data);
  }
};

/// Element-wise conversion between any two types; host memory, equal extents, any strides.
/// Floats round to nearest even; integers and floats convert by value.
void convert(const ConstTensorView& from, const TensorView& to);

/// A contiguous host copy of a view of any backend, in the given dtype.
Tensor to_host(const Backend& backend, const ConstTensorView& v, DType dtype);
inline Tensor to_host(const Backend& backend, const ConstTensorView& v) { return to_host(backend, v, v.dtype); }

}  // namespace glmv
