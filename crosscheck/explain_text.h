// What was found out about a departure, and how routers agree: as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "crosscheck/crosscheck.h"

namespace glmv {

/// Lines below a first departure at this stage.
std::string explanations_text(const Explanations& e, int stage);
std::string explanations_json(const Explanations& e);

/// One line per router and pass; "" if there is none.
std::string router_text(const std::vector<RouterRow>& rows);
std::string router_json(const std::vector<RouterRow>& rows);

}  // namespace glmv
