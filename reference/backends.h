// Every backend that is linked into this program.
#pragma once

#include <string_view>
#include <vector>

#include "reference/core/backend.h"

namespace glmv {

/// The reference first. An explicit list: self-registration would be dropped by the linker and hide it from readers.
const std::vector<const Backend*>& linked_backends();

/// Why a backend cannot run on this machine, or "".
std::string absence(const Backend& backend);

/// The backend itself; Error with exit code 5 if it cannot run on this machine.
const Backend& present(const Backend& backend);

/// By name; Error with exit code 5 that lists the names there are, and for one that cannot run on this machine.
const Backend& find_backend(std::string_view name);

}  // namespace glmv
