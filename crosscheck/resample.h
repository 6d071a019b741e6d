// Resampling as other programs do it: for known mistakes only, the library's own way is in data/image_resize.cc.
#pragma once

#include "data/image.h"

namespace glmv {

enum class Filter { nearest, bilinear, bicubic, lanczos };

/// Keys' cubic at a distance of x taps. A: -0.5 in Pillow, -0.75 in OpenCV and torch.
double cubic(double x, double a);

/// `antialias`: the filter widens when the picture shrinks, as Pillow's do. Bicubic without it has A = -0.75, as
/// OpenCV and torch's interpolate do; with it A = -0.5. Sums in double, rounded to bytes once per axis.
Image resample(const Image& image, Size target, Filter filter, bool antialias);

/// The largest size of the same aspect ratio that fits, centred on black.
Image letterbox(const Image& image, Size target);

}  // namespace glmv
