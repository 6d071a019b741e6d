// The drawings of a cross-check's page.
#pragma once

#include <string>
#include <vector>

#include "crosscheck/crosscheck.h"

namespace glmv {

/// |theirs - gold| / |gold| at the output of every block and layer, with the floor and, where it was isolated, the
/// error made there. Log scale. "" if fewer than two of them were compared.
std::string layer_curve_svg(const CrosscheckReport& report);

/// Error by row of a point, as multiples of what is allowed: over the pictures if its rows are patches or merged
/// patches and `theirs` has pixels, else a grid of tokens. "" if the point's rows are not known.
std::string heat_map(const PointResult& point, const Theirs& theirs, const ModelConfig& config);

}  // namespace glmv
