// What `bench` and `compare` share.
#pragma once

#include <string>
#include <vector>

#include "bench/compare.h"

namespace glmv::cli {

/// A comparison as "text", "markdown" or "json" (glmv.compare/1).
std::string comparison_in(const std::vector<bench::Compared>& list, const std::string& format,
                          const bench::Sides& sides = {});

/// 1 if something is slower or wrong, else 0.
int exit_code_of(const std::vector<bench::Compared>& list);

}  // namespace glmv::cli
