#include "reference/core/error.h"

namespace glmv::detail {

void check_failed(const char* file, int line, const char* condition, const std::string& parts) {
  std::string_view path = file;
  for (std::string_view root : {"reference/", "data/", "crosscheck/", "cli/", "cuda/", "hip/", "tests/", "bench/"}) {
    const auto at = path.rfind(root);
    if (at != std::string_view::npos && (at == 0 || path[at - 1] == '/')) {
      path.remove_prefix(at);
      break;
    }
  }
  throw Error(ExitCode::bad_input, concat(path, ':', line, ": ", condition, " is false: ", parts));
}

}  // namespace glmv::detail
