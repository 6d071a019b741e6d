// CIEDE2000 (Sharma, Wu, Dalal, 2005) between sRGB colours.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "eval/score_code.h"

namespace glmv {
namespace {

constexpr double kRadians = std::numbers::pi / 180;

struct Lab {
  double l, a, b;
};

double linear(double channel) {
  constexpr double kFullScale = 255;
  const double c = channel / kFullScale;
  return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

/// CIE 1976: the cube root above (6/29)³, a line below it.
double lightness_curve(double t) {
  constexpr double kCubeFrom = 216.0 / 24389, kSlope = 7.787;
  return t > kCubeFrom ? std::cbrt(t) : kSlope * t + 16.0 / 116;
}

Lab to_lab(const std::array<double, 3>& rgb) {
  // sRGB primaries and the white point D65, as colormath 3 states them
  constexpr double kToXyz[3][3] = {
      {0.412424, 0.357579, 0.180464}, {0.212656, 0.715158, 0.0721856}, {0.0193324, 0.119193, 0.950444}};
  constexpr double kWhite[3] = {0.95047, 1.0, 1.08883};
  double f[3];
  for (int i = 0; i < 3; ++i) {
    const double sum = kToXyz[i][0] * linear(rgb[0]) + kToXyz[i][1] * linear(rgb[1]) + kToXyz[i][2] * linear(rgb[2]);
    f[i] = lightness_curve(std::max(sum, 0.0) / kWhite[i]);
  }
  return {116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])};
}

/// Hue angle in degrees, from 0 to 360.
double hue(double a, double b) {
  const double h = std::atan2(b, a) / kRadians;
  return h < 0 ? h + 360 : h;
}

double cos_degrees(double x) { return std::cos(x * kRadians); }

/// x^7 / (x^7 + 25^7), which weakens chroma near grey
double chroma_weight(double chroma) {
  const double c7 = std::pow(chroma, 7);
  return std::sqrt(c7 / (c7 + std::pow(25.0, 7)));
}

double ciede2000(const Lab& x, const Lab& y) {
  const double chroma = (std::hypot(x.a, x.b) + std::hypot(y.a, y.b)) / 2;
  const double g = 0.5 * (1 - chroma_weight(chroma));
  const double a1 = (1 + g) * x.a, a2 = (1 + g) * y.a;
  const double c1 = std::hypot(a1, x.b), c2 = std::hypot(a2, y.b), c = (c1 + c2) / 2;
  const double h1 = hue(a1, x.b), h2 = hue(a2, y.b);
  const bool far = std::abs(h1 - h2) > 180;
  double turn = h2 - h1;
  if (far) turn += h2 <= h1 ? 360 : -360;
  const double h = far ? (h1 + h2 + 360) / 2 : (h1 + h2) / 2;
  const double dl = y.l - x.l, dc = c2 - c1, dh = 2 * std::sqrt(c1 * c2) * std::sin(turn / 2 * kRadians);
  const double t = 1 - 0.17 * cos_degrees(h - 30) + 0.24 * cos_degrees(2 * h) + 0.32 * cos_degrees(3 * h + 6) -
                   0.20 * cos_degrees(4 * h - 63);
  const double l50 = std::pow((x.l + y.l) / 2 - 50, 2);
  const double sl = 1 + 0.015 * l50 / std::sqrt(20 + l50), sc = 1 + 0.045 * c, sh = 1 + 0.015 * c * t;
  const double rotation = -2 * chroma_weight(c) * std::sin(60 * std::exp(-std::pow((h - 275) / 25, 2)) * kRadians);
  return std::sqrt(std::pow(dl / sl, 2) + std::pow(dc / sc, 2) + std::pow(dh / sh, 2) +
                   rotation * (dc / sc) * (dh / sh));
}

}  // namespace

double ciede2000_similarity(const std::array<double, 3>& rgb1, const std::array<double, 3>& rgb2) {
  return std::max(0.0, 1 - ciede2000(to_lab(rgb1), to_lab(rgb2)) / 100);
}

}  // namespace glmv
