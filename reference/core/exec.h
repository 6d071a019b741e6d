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

struct Exec {
  Stream stream;
  Scratch scratch;
  Reduction reduction = Reduction::blocked;  ///< device backends have one order and ignore it
};

}  // namespace glmv
