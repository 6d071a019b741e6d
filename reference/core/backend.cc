#include "reference/core/backend.h"

namespace glmv {

void check_memory(const Backend& backend, size_t bytes, std::string_view what) {
  const MemoryInfo memory = backend.memory == nullptr ? MemoryInfo{} : backend.memory();
  if (memory.total == 0 || bytes <= memory.free) return;
  input_error("backend ", backend.name, ": out of memory: ", bytes, " bytes are wanted for ", what, ", ", memory.free,
              " of ", memory.total, " are free");
}

}  // namespace glmv
