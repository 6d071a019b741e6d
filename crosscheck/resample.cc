#include "crosscheck/resample.h"

#include <algorithm>
#include <cmath>

namespace glmv {
namespace {

struct Kernel {
  double support;
  double (*weight)(double);
};

double smooth_cubic(double x) { return cubic(x, -0.5); }
double sharp_cubic(double x) { return cubic(x, -0.75); }
double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }
double sinc(double x) { return x == 0 ? 1 : std::sin(M_PI * x) / (M_PI * x); }
double lanczos(double x) { return std::abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0; }

Kernel kernel_of(Filter filter, bool antialias) {
  switch (filter) {
    case Filter::bilinear: return {1, triangle};
    case Filter::lanczos: return {3, lanczos};
    default: return {2, antialias ? smooth_cubic : sharp_cubic};
  }
}

struct Tap {
  int64_t from;
  double weight;
};

/// What output position i of an axis is made of. Without antialiasing taps outside repeat the border.
std::vector<Tap> taps(int64_t i, int64_t in, int64_t out, Filter filter, bool antialias) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
  if (filter == Filter::nearest)
    return {{std::clamp<int64_t>(static_cast<int64_t>(std::floor(centre + 0.5)), 0, in - 1), 1}};
  const Kernel kernel = kernel_of(filter, antialias);
  const double wide = antialias ? std::max(scale, 1.0) : 1;
  std::vector<Tap> found;
  double total = 0;
  const auto first = static_cast<int64_t>(std::floor(centre - kernel.support * wide)) + 1;
  for (int64_t at = first; static_cast<double>(at) < centre + kernel.support * wide; ++at) {
    const double weight = kernel.weight((static_cast<double>(at) - centre) / wide);
    const bool outside = at < 0 || at >= in;
    if (outside && antialias) continue;
    found.push_back({std::clamp<int64_t>(at, 0, in - 1), weight});
    total += weight;
  }
  for (Tap& tap : found) tap.weight /= total;
  return found;
}

uint8_t byte_of(double x) { return static_cast<uint8_t>(std::clamp(std::floor(x + 0.5), 0.0, 255.0)); }

Image blank(Size size, const std::string& name) {
  Image image{size.width, size.height, {}, name};
  image.rgb.resize(static_cast<size_t>(size.width * size.height * 3));
  return image;
}

Image along_width(const Image& in, int64_t width, Filter filter, bool antialias) {
  Image out = blank({in.height, width}, in.name);
  for (int64_t x = 0; x < width; ++x) {
    const std::vector<Tap> from = taps(x, in.width, width, filter, antialias);
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (const Tap& tap : from) sum += tap.weight * in.rgb[static_cast<size_t>((y * in.width + tap.from) * 3 + c)];
        out.rgb[static_cast<size_t>((y * width + x) * 3 + c)] = byte_of(sum);
      }
    }
  }
  return out;
}

Image transposed(const Image& in) {
  Image out = blank({in.width, in.height}, in.name);
  for (int64_t y = 0; y < in.height; ++y) {
    for (int64_t x = 0; x < in.width; ++x) {
      for (int64_t c = 0; c < 3; ++c)
        out.rgb[static_cast<size_t>((x * in.height + y) * 3 + c)] =
            in.rgb[static_cast<size_t>((y * in.width + x) * 3 + c)];
    }
  }
  return out;
}

}  // namespace

double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

Image resample(const Image& image, Size target, Filter filter, bool antialias) {
  const Image wide = along_width(image, target.width, filter, antialias);
  return transposed(along_width(transposed(wide), target.height, filter, antialias));
}

Image letterbox(const Image& image, Size target) {
  const double scale = std::min(static_cast<double>(target.width) / static_cast<double>(image.width),
                                static_cast<double>(target.height) / static_cast<double>(image.height));
  const auto side = [&](int64_t n, int64_t most) {
    return std::clamp<int64_t>(static_cast<int64_t>(std::llround(static_cast<double>(n) * scale)), 1, most);
  };
  const Image inner = resize_torchvision(image, {side(image.height, target.height), side(image.width, target.width)});
  Image out = blank(target, image.name);
  const int64_t top = (target.height - inner.height) / 2, left = (target.width - inner.width) / 2;
  for (int64_t y = 0; y < inner.height; ++y) {
    const auto from = inner.rgb.begin() + y * inner.width * 3;
    std::copy_n(from, inner.width * 3, out.rgb.begin() + ((top + y) * target.width + left) * 3);
  }
  return out;
}

}  // namespace glmv
