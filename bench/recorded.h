// Routing and activations of a recorded trace as cases.
#pragma once

#include <string>
#include <vector>

#include "reference/core/cases.h"

namespace glmv::bench {

/// Two cases of moe_experts per layer of the trace that has experts: one of the recorded width, on the recorded rows
/// and weights of the choices, and one that sends the rows of GLM-4.5V's width where the recorded tokens went. Error
/// (exit code 3) for a trace without routing or with an id that is no expert's.
std::vector<Case> recorded_cases(const std::string& path);

}  // namespace glmv::bench
