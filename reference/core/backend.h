// A backend: an op table with the memory it works on. A value, not a class hierarchy.
#pragma once

#include <string>
#include <string_view>

#include "reference/core/ops.h"
#include "reference/core/view.h"

namespace glmv {

struct Backend {
  std::string_view name;      ///< "cpu", "cuda", "cuda-naive", "cuda-emulated", ...
  Space space = Space::host;  ///< where its views live
  bool emulated = false;
  OpTable ops;

  void* (*alloc)(size_t bytes) = nullptr;  ///< 64-byte aligned; throws Error when memory is short
  void (*free)(void* data) = nullptr;
  void (*to_device)(void* to, const void* from, size_t bytes) = nullptr;
  void (*to_host)(void* to, const void* from, size_t bytes) = nullptr;
  void (*sync)(Stream) = nullptr;
  /// Why it cannot run here ("no CUDA device: ..."), or "" if it can. Null = it always can.
  std::string (*absence)() = nullptr;
};

/// The Eigen reference on the host, with every plain op.
const Backend& cpu_backend();

}  // namespace glmv
