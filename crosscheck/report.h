// A cross-check's report as text for people and as JSON for programs.
#pragma once

#include <string>

#include "crosscheck/crosscheck.h"

namespace glmv {

/// The ladder of stages, then the first departure. `every_point`: one line per point instead of per stage.
std::string text_report(const CrosscheckReport& report, bool every_point);

/// Schema glmv.crosscheck/1.
std::string json_report(const CrosscheckReport& report);

}  // namespace glmv
