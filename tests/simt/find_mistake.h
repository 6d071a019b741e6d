// The deliberate mistakes of all kernel files, and the lines their reports must name.
#pragma once

#include <string>

#include "tests/simt/kernels/mistakes.h"

namespace glmv::simt {

/// Throws if there is none of that name.
const Mistake& find_mistake(const std::string& name);

/// "tests/simt/kernels/<file>:<line>" of the line that ends in "// @<mark>".
std::string line_of(const std::string& mark);
/// The same of the line that launches the mistake called `name`.
std::string launch_line_of(const std::string& name);

constexpr int kMistakeFloats = 4096;

}  // namespace glmv::simt
