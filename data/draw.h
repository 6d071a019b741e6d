// Boxes drawn on a picture, so that an answer can be looked at.
#pragma once

#include <array>
#include <vector>

#include "data/image.h"

namespace glmv {

/// Draws the outlines of boxes [x1, y1, x2, y2], in pixels of the picture, each in a colour of its own and with its
/// number, from 1, on a plate at its first corner. Corners may come in any order; what lies outside is clipped to the
/// edge. Lines and numbers grow with the picture and have a dark seam, so that they show on any colour.
void draw_boxes(Image& image, const std::vector<std::array<double, 4>>& boxes);

}  // namespace glmv
