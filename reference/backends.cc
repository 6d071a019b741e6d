#include "reference/backends.h"

#include <string>

namespace glmv {

const std::vector<const Backend*>& linked_backends() {
  static const std::vector<const Backend*> backends{&cpu_backend()};
  return backends;
}

const Backend& find_backend(std::string_view name) {
  std::string names;
  for (const Backend* b : linked_backends()) {
    if (b->name == name) return *b;
    names += concat(names.empty() ? "" : ", ", b->name);
  }
  throw Error(ExitCode::no_device, concat("backend '", name, "' is not in this build; there are: ", names));
}

}  // namespace glmv
