// What every op gets besides its arguments: a stream to run on and scratch memory.
#pragma once

#include <cstddef>

#include "reference/core/reduction.h"

namespace glmv {

/// A queue of the backend (cudaStream_t, hipStream_t); null on the host, where ops run at once.
struct Stream {
  void* handle = nullptr;
};

/// Memory an op may overwrite during its call; at least what its scratch_bytes asked for.
struct Scratch {
  void* data = nullptr;
  size_t bytes = 0;
};

class Arena;

struct Exec {
  Stream stream;
  Scratch scratch;                           ///< filled in for ops that ask for some, see Op
  Reduction reduction = Reduction::blocked;  ///< device backends have one order and ignore it
  Arena* arena = nullptr;                    ///< where scratch memory comes from
};

/// Scratch memory of one call: taken from the arena and given back at the end of the scope. On a device the next op
/// may write to it at once, because it runs after this one on the same stream.
class ScratchScope {
 public:
  ScratchScope(Exec& exec, size_t bytes);
  ~ScratchScope();
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;

 private:
  Arena* arena_;
  size_t chunk_ = 0, used_ = 0;
};

}  // namespace glmv
