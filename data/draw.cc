#include "data/draw.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "reference/core/error.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_easy_font.h>
#pragma GCC diagnostic pop

namespace glmv {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr Colour kDark = {0, 0, 0};
// Bright, so that dark numbers can be read on all of them, and far from one another.
constexpr std::array<Colour, 8> kColours = {{{255, 80, 80},
                                             {80, 220, 80},
                                             {90, 160, 255},
                                             {255, 210, 40},
                                             {240, 110, 240},
                                             {60, 220, 220},
                                             {255, 150, 50},
                                             {235, 235, 235}}};

struct Rect {
  int64_t left, top, right, bottom;  // the last two are not part of it
  Rect grown(int64_t by) const { return {left - by, top - by, right + by, bottom + by}; }
};

void fill(Image& image, const Rect& r, const Colour& colour) {
  for (int64_t y = std::max<int64_t>(r.top, 0); y < std::min(r.bottom, image.height); ++y) {
    for (int64_t x = std::max<int64_t>(r.left, 0); x < std::min(r.right, image.width); ++x)
      std::copy(colour.begin(), colour.end(), image.rgb.begin() + (y * image.width + x) * 3);
  }
}

void outline(Image& image, const Rect& r, int64_t width, const Colour& colour) {
  fill(image, {r.left, r.top, r.right, r.top + width}, colour);
  fill(image, {r.left, r.bottom - width, r.right, r.bottom}, colour);
  fill(image, {r.left, r.top, r.left + width, r.bottom}, colour);
  fill(image, {r.right - width, r.top, r.right, r.bottom}, colour);
}

/// What the font calls a vertex.
struct Vertex {
  float x, y, z;
  std::array<unsigned char, 4> colour;
};

/// A text with its first corner at (x, y), its pixels `scale` wide.
void write(Image& image, std::string text, int64_t x, int64_t y, int64_t scale, const Colour& colour) {
  std::vector<Vertex> corners(text.size() * 80);  // a character has 270 bytes on average, says the font
  const int quads = stb_easy_font_print(0, 0, text.data(), nullptr, corners.data(),
                                        static_cast<int>(corners.size() * sizeof(Vertex)));
  const auto at = [&](float v) { return static_cast<int64_t>(std::lround(v)) * scale; };
  for (size_t q = 0; q < static_cast<size_t>(quads); ++q) {
    const Vertex &first = corners[4 * q], &last = corners[4 * q + 2];
    fill(image, {x + at(first.x), y + at(first.y), x + at(last.x), y + at(last.y)}, colour);
  }
}

constexpr int64_t kTextHeight = 8;  // in the font's pixels, digits

/// The plate stands on the box's upper edge, or inside where there is no room above.
void label(Image& image, const Rect& box, std::string text, int64_t scale, const Colour& colour) {
  const int64_t width = (stb_easy_font_width(text.data()) + 2) * scale, height = (kTextHeight + 1) * scale;
  const int64_t left = std::clamp<int64_t>(box.left, 0, std::max<int64_t>(0, image.width - width));
  const int64_t top =
      box.top > height ? box.top - height - 1 : std::min(box.top, std::max<int64_t>(0, image.height - height));
  const Rect plate{left, top, left + width, top + height};
  fill(image, plate.grown(1), kDark);
  fill(image, plate, colour);
  write(image, std::move(text), left + scale, top + scale, scale, kDark);
}

/// A corner's pixel; anything beyond the picture is its edge.
int64_t pixel(double at, int64_t size) { return std::lround(std::clamp(at, 0.0, static_cast<double>(size))); }

Rect rect_of(const std::array<double, 4>& box, const Image& image) {
  const auto [left, right] = std::minmax({pixel(box[0], image.width), pixel(box[2], image.width)});
  const auto [top, bottom] = std::minmax({pixel(box[1], image.height), pixel(box[3], image.height)});
  return {std::min(left, image.width - 1), std::min(top, image.height - 1), std::max(right, left + 1),
          std::max(bottom, top + 1)};
}

}  // namespace

void draw_boxes(Image& image, const std::vector<std::array<double, 4>>& boxes) {
  GLMV_CHECK(image.width > 0 && image.height > 0, "the picture is ", image.width, " x ", image.height);
  const int64_t side = std::min(image.width, image.height);
  const int64_t line = std::max<int64_t>(1, side / 200), scale = std::max<int64_t>(1, side / 200);
  for (size_t i = 0; i < boxes.size(); ++i) {
    const Rect box = rect_of(boxes[i], image);
    outline(image, box.grown(1), line + 2, kDark);
    outline(image, box, line, kColours[i % kColours.size()]);
  }
  for (size_t i = 0; i < boxes.size(); ++i) {  // numbers last: no line crosses them
    label(image, rect_of(boxes[i], image), std::to_string(i + 1), scale, kColours[i % kColours.size()]);
  }
}

}  // namespace glmv
