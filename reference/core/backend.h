// A backend: an op table with the memory it works on. A value, not a class hierarchy.
#pragma once

#include <string>
#include <string_view>

#include "reference/core/ops.h"
#include "reference/core/procedural.h"
#include "reference/core/view.h"

namespace glmv {

/// Bytes of a backend's memory; both 0 = not known.
struct MemoryInfo {
  size_t free = 0, total = 0;
};

/// A stretch of a stream recorded once and launched as a whole. Between begin and end nothing runs, and memory may
/// neither be taken nor given back nor waited for: what breaks this is an Error, of the call itself or of end.
struct GraphCalls {
  void (*begin)(Stream) = nullptr;
  void* (*end)(Stream) = nullptr;     ///< the graph, ready to launch
  void (*abandon)(Stream) = nullptr;  ///< ends it without a graph; throws nothing
  void (*launch)(void* graph, Stream) = nullptr;
  void (*free)(void* graph) = nullptr;

  explicit operator bool() const { return begin != nullptr; }
};

/// Points in a stream's work, and the time between two of them as the device saw it: launches are not in it.
struct EventCalls {
  void* (*make)() = nullptr;
  void (*record)(void* event, Stream) = nullptr;
  double (*seconds)(void* first, void* last) = nullptr;  ///< waits for `last`
  void (*free)(void* event) = nullptr;

  explicit operator bool() const { return make != nullptr; }
};

/// What a report says of a device. 0 and "" = not known.
struct DeviceFacts {
  std::string name;
  int64_t l2_bytes = 0, multiprocessors = 0;
  int driver = 0, runtime = 0;  ///< as the runtime counts them: 13000 = CUDA 13.0
};

struct Backend {
  std::string_view name;      ///< "cpu", "cuda", "cuda-naive", "cuda-emulated", ...
  Space space = Space::host;  ///< where its views live
  bool emulated = false;
  OpTable ops;

  void* (*alloc)(size_t bytes) = nullptr;  ///< 64-byte aligned; throws Error when memory is short
  void (*free)(void* data) = nullptr;
  void (*to_device)(void* to, const void* from, size_t bytes) = nullptr;  ///< waits, as to_host does
  void (*to_host)(void* to, const void* from, size_t bytes) = nullptr;
  void (*sync)(Stream) = nullptr;
  /// Why it cannot run here ("no CUDA device: ..."), or "" if it can. Null = it always can.
  std::string (*absence)() = nullptr;

  /// A copy to the device behind the stream's other work. It does not wait for it; `from` may change on return.
  void (*send)(void* to, const void* from, size_t bytes, Stream) = nullptr;
  Stream (*make_stream)() = nullptr;
  void (*free_stream)(Stream) = nullptr;
  MemoryInfo (*memory)() = nullptr;
  /// fill_procedural in the backend's memory: values rounded to `rounded_to` and then to the type of `out`.
  void (*fill)(std::string_view name, const Procedural& law, DType rounded_to, const TensorView& out, Stream) = nullptr;
  GraphCalls graphs;  ///< null calls: the backend has none
  EventCalls events;  ///< null calls: the host's clock around sync is all there is
  DeviceFacts (*describe)() = nullptr;
};

/// Error (exit code 3) if the backend is known to have fewer bytes free; says how many are wanted and for what, and how
/// many there are.
void check_memory(const Backend& backend, size_t bytes, std::string_view what);

/// The Eigen reference on the host, with every plain op.
const Backend& cpu_backend();

}  // namespace glmv
