// Boxes on pictures: where the lines are, that what they do not cover is kept, and that no box is too odd.
#include "data/draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace glmv {
namespace {

using Colour = std::array<uint8_t, 3>;

Image grey(int64_t width, int64_t height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 128)};
}
Colour at(const Image& image, int64_t x, int64_t y) {
  const auto i = static_cast<size_t>((y * image.width + x) * 3);
  return {image.rgb[i], image.rgb[i + 1], image.rgb[i + 2]};
}
constexpr Colour kGrey = {128, 128, 128}, kDark = {0, 0, 0};

TEST(Draw, LinesStandOnTheBox) {
  Image image = grey(120, 100);
  draw_boxes(image, {{20, 30, 90, 70}});
  const Colour line = at(image, 60, 30);
  EXPECT_NE(line, kGrey);
  for (const auto& [x, y] : {std::pair<int64_t, int64_t>{60, 69}, {20, 50}, {89, 50}, {89, 69}, {20, 30}}) {
    EXPECT_EQ(at(image, x, y), line) << x << ' ' << y;
  }
  for (const auto& [x, y] : {std::pair<int64_t, int64_t>{60, 29}, {60, 31}, {19, 50}, {21, 50}, {90, 50}, {60, 70}}) {
    EXPECT_EQ(at(image, x, y), kDark) << "the seam at " << x << ' ' << y;
  }
  for (const auto& [x, y] : {std::pair<int64_t, int64_t>{60, 27}, {60, 50}, {17, 50}, {92, 50}, {60, 72}}) {
    EXPECT_EQ(at(image, x, y), kGrey) << "untouched at " << x << ' ' << y;
  }
}

TEST(Draw, TheNumberStandsAboveOrInside) {
  const auto dark_in = [](const Image& image, int64_t left, int64_t top, int64_t right, int64_t bottom) {
    int64_t n = 0;
    for (int64_t y = top; y < bottom; ++y)
      for (int64_t x = left; x < right; ++x) n += at(image, x, y) == kDark;
    return n;
  };
  Image above = grey(120, 100), inside = grey(120, 100);
  draw_boxes(above, {{20, 30, 90, 70}});
  draw_boxes(inside, {{20, 2, 90, 70}});
  const Colour colour = at(above, 60, 30);
  EXPECT_EQ(at(above, 21, 22), colour) << "the plate";
  EXPECT_EQ(at(inside, 21, 3), colour);
  EXPECT_GT(dark_in(above, 21, 22, 28, 30), 5) << "the digit";
  EXPECT_GT(dark_in(inside, 21, 3, 28, 11), 5);
}

TEST(Draw, EachBoxHasAColourAndANumber) {
  Image image = grey(400, 300);
  std::set<Colour> colours;
  std::vector<std::array<double, 4>> boxes;
  for (int i = 0; i < 8; ++i) boxes.push_back({20.0 + 45 * i, 100, 50.0 + 45 * i, 200});
  draw_boxes(image, boxes);
  for (int i = 0; i < 8; ++i) colours.insert(at(image, 35 + 45 * i, 199));
  EXPECT_EQ(colours.size(), 8u);
  Image one = grey(200, 200), two = grey(200, 200);
  draw_boxes(one, {{50, 50, 100, 100}, {50, 50, 100, 100}});
  draw_boxes(two, {{50, 50, 100, 100}});
  EXPECT_NE(one.rgb, two.rgb) << "1 and 2 look different";
}

TEST(Draw, NoBoxIsTooOdd) {
  for (const auto& [width, height] : {std::pair<int64_t, int64_t>{1, 1}, {3, 2}, {40, 9}, {500, 400}}) {
    Image image = grey(width, height);
    draw_boxes(image, {{0, 0, 0, 0}, {-1e300, -5, 1e300, 1e300}, {30, 20, 10, 5}, {1e9, 1e9, 2e9, 2e9}, {5, 5, 5, 5}});
    EXPECT_EQ(image.rgb.size(), static_cast<size_t>(width * height * 3));
  }
  Image turned = grey(50, 50), straight = grey(50, 50);
  draw_boxes(turned, {{40, 45, 10, 20}});
  draw_boxes(straight, {{10, 20, 40, 45}});
  EXPECT_EQ(turned.rgb, straight.rgb);
}

}  // namespace
}  // namespace glmv
