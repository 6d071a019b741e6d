#include "reference/core/backend.h"

namespace glmv {

void check_memory(const Backend& backend, size_t bytes, std::string_view what) {
  const MemoryInfo memory = backend.memory == nullptr ? MemoryInfo{} : backend.memory();
  if (memory.total == 0 || bytes <= memory.free) return;
  input_error("backend ", backend.name, ": out of memory: ", what, " need", what.back() == 's' ? "" : "s", ' ', bytes,
              " bytes, of ", memory.total, " there are ", memory.free, " free");
}

}  // namespace glmv
