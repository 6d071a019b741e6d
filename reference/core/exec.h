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

/// How the reference adds up products, and which exponential it uses. All are legal; how far they part is measured
/// noise.
enum class Reduction : unsigned char {
  blocked,      ///< core/matmul: blocks of k, the same for every number of rows and threads
  eigen,        ///< the plain Eigen product; elsewhere eight sums side by side
  sequential,   ///< first to last, product and sum rounded apart
  reversed,     ///< last to first
  signs_apart,  ///< positive and negative products apart, then their sums: partial sums as large as they can get; the
                ///< exponential is a GPU's fast one
};

struct Exec {
  Stream stream;
  Scratch scratch;
  Reduction reduction = Reduction::blocked;  ///< device backends have one order and ignore it
};

}  // namespace glmv
