// What isolation found, as text.
#pragma once

#include <string>

#include "crosscheck/crosscheck.h"

namespace glmv {

/// The places where errors were made, how many points inherit them, and what it took. `report.isolation` must be there.
std::string isolation_text(const CrosscheckReport& report);

/// Points at which an error was made, in the order of the forward pass.
std::vector<std::string> births(const CrosscheckReport& report);

}  // namespace glmv
