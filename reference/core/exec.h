// What every op gets besides its arguments: a stream to run on and scratch memory.
#pragma once

#include <cstddef>

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

/// Order in which the reference adds up products. All are legal; how far they part is measured noise.
enum class Reduction : unsigned char {
  blocked,      ///< core/matmul: lanes and blocks, the same for every number of rows and threads
  eigen,        ///< the plain Eigen product; elsewhere as sequential
  sequential,   ///< first to last in one accumulator, product and sum rounded apart
  reversed,     ///< last to first
  signs_apart,  ///< positive and negative products apart, then their sums: partial sums as large as they can get
};

struct Exec {
  Stream stream;
  Scratch scratch;
  Reduction reduction = Reduction::blocked;  ///< device backends have one order and ignore it
};

}  // namespace glmv
