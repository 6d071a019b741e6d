// Target sizes and resampled bytes against values recorded from transformers 5.24.0 and torch 2.15.0.
#include <gtest/gtest.h>

#include <random>

#include "data/image.h"
#include "data/resample.h"
#include "image_crc.h"
#include "reference/core/parallel.h"

namespace glmv {
namespace {

ImageConfig published(int64_t max_volume = 9633792) {
  ImageConfig config;
  config.min_volume = 12544;
  config.max_volume = max_volume;
  return config;
}

std::string size_of_still(int64_t width, int64_t height) {
  const Size size = smart_resize(2, height, width, published());
  return concat(size.height, "x", size.width);
}

TEST(SmartResize, Stills) {
  // source width, source height -> "height x width"
  EXPECT_EQ(size_of_still(6000, 4000), "1792x2688");
  EXPECT_EQ(size_of_still(4000, 3000), "1876x2520");
  EXPECT_EQ(size_of_still(3000, 3000), "2184x2184");
  EXPECT_EQ(size_of_still(5000, 4000), "1960x2436");
  EXPECT_EQ(size_of_still(1700, 2200), "2212x1708");
  EXPECT_EQ(size_of_still(100, 100), "112x112");
  EXPECT_EQ(size_of_still(640, 480), "476x644");
  EXPECT_EQ(size_of_still(1920, 1080), "1092x1932");
  EXPECT_EQ(size_of_still(336, 336), "336x336");
  EXPECT_EQ(size_of_still(350, 350), "336x336");  // 12.5 patches round to the even 12
  EXPECT_EQ(size_of_still(378, 378), "392x392");  // 13.5 to the even 14
  EXPECT_EQ(size_of_still(28, 28), "84x84");
  EXPECT_EQ(size_of_still(10, 10), "84x84");
  EXPECT_EQ(size_of_still(20, 2000), "2800x28");
  EXPECT_EQ(size_of_still(28, 5600), "5600x28");  // a ratio of exactly 200
  EXPECT_EQ(size_of_still(1, 1), "84x84");
}

TEST(SmartResize, ExtremeAspectRatioIsABadInput) {
  for (const auto& [width, height] : {std::pair{28, 5601}, {30000, 10}, {10, 30000}, {178956970, 1}}) {
    try {
      smart_resize(2, height, width, published());
      FAIL() << width << "x" << height << " accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      EXPECT_NE(std::string(error.what()).find("aspect ratio"), std::string::npos) << error.what();
    }
  }
}

TEST(SmartResize, NoPictureGrowsBeyondWhatIsRead) {
  ImageConfig config = published(int64_t{1} << 40);
  config.patch_size = 1024, config.merge_size = 8;
  try {
    smart_resize(2, 1, 200, config);  // the short side has to reach one merged patch
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_NE(std::string(e.what()).find("1638400x8192"), std::string::npos) << e.what();
  }
}

TEST(SmartResize, Clips) {
  struct Row {
    int64_t frames, width, height, max_volume, out_height, out_width;
  };
  const Row rows[] = {{4, 112, 112, 47040000, 112, 112},
                      {16, 640, 360, 47040000, 364, 644},
                      {120, 1280, 720, 47040000, 448, 812},
                      {600, 1280, 720, 47040000, 196, 364},
                      {600, 1280, 720, 100352000, 280, 532}};
  for (const Row& row : rows) {
    const Size size = smart_resize(row.frames, row.height, row.width, published(row.max_volume));
    EXPECT_EQ(size.height, row.out_height) << row.frames << " frames " << row.width << "x" << row.height;
    EXPECT_EQ(size.width, row.out_width) << row.frames << " frames " << row.width << "x" << row.height;
  }
  EXPECT_THROW(smart_resize(1, 112, 112, published()), Error);
}

// ---------------------------------------------------------------------------------------------------- resampling

/// v(y, x, c) = (3x² + 7y + 50c + xy) mod 256
Image check_picture(int64_t height, int64_t width) {
  Image image{width, height, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) image.rgb.push_back(static_cast<uint8_t>(3 * x * x + 7 * y + 50 * c + x * y));
    }
  }
  return image;
}

struct CrcRow {
  int64_t from_height, from_width, height, width;
  const char* crc;         ///< torchvision
  const char* pillow_crc;  ///< Pillow before 13
};
const CrcRow kCrcRows[] = {{30, 40, 28, 56, "eb8ce6c3", "0c27d7d8"},     {30, 40, 56, 28, "f47e0709", "9eaba8b6"},
                           {101, 67, 112, 56, "e3532872", "5a03e252"},   {300, 500, 84, 140, "64eee2f4", "70bdeb2c"},
                           {113, 113, 112, 112, "7c21ea7a", "6b30230e"}, {28, 56, 28, 112, "d42c844b", "d42c844b"}};

TEST(ResizeTorchvision, CrcOfCheckPictures) {
  ASSERT_EQ(crc_text({'1', '2', '3', '4', '5', '6', '7', '8', '9'}), "cbf43926");
  for (const CrcRow& row : kCrcRows) {
    const Image out = resize_torchvision(check_picture(row.from_height, row.from_width), {row.height, row.width});
    EXPECT_EQ(out.width, row.width);
    EXPECT_EQ(out.height, row.height);
    EXPECT_EQ(crc_text(out.rgb), row.crc)
        << row.from_height << "x" << row.from_width << " to " << row.height << "x" << row.width;
  }
}

// ---------------------------------------------------------------------------------------- vectors and single bytes

/// A picture of noise at hard edges, the most that a sum can become, with `slack` bytes behind it.
std::vector<uint8_t> noise(int64_t bytes, int64_t slack, uint32_t seed) {
  std::mt19937 draw(seed);
  std::vector<uint8_t> out(static_cast<size_t>(bytes + slack), uint8_t{255});
  for (int64_t i = 0; i < bytes; ++i) {
    const uint32_t kind = draw() % 4, any = draw() & 255u;
    out[static_cast<size_t>(i)] = static_cast<uint8_t>(kind == 0 ? 0u : kind == 1 ? 255u : any);
  }
  return out;
}

TEST(Resample, ColumnsOfVectorsAreThoseOfSingleBytes) {
  constexpr int64_t kRows = 7;  // two groups of four rows, the second not full
  for (const Weights rule : {Weights::torchvision, Weights::pillow}) {
    for (const auto& [in, out] :
         {std::pair{1, 28}, {3, 5}, {40, 28}, {28, 56}, {33, 32}, {500, 84}, {997, 28}, {20, 1}}) {
      const Axis axis = make_axis(in, out, rule);
      const int64_t stride = axis.out * 3 + kRowSlack;
      const std::vector<uint8_t> from = noise(kRows * in * 3, kRowSlack, static_cast<uint32_t>(in));
      std::vector<uint8_t> fast(static_cast<size_t>(kRows * stride + kRowSlack)), slow(fast.size());
      weigh_columns(from.data(), in * 3, kRows, axis, fast.data(), stride);
      plain::weigh_columns(from.data(), in * 3, kRows, axis, slow.data(), stride);
      for (int64_t row = 0; row < kRows; ++row) {
        const auto at = static_cast<std::ptrdiff_t>(row * stride);
        EXPECT_TRUE(std::equal(fast.begin() + at, fast.begin() + at + axis.out * 3, slow.begin() + at))
            << in << " to " << out << ", row " << row << (rule == Weights::pillow ? ", Pillow" : "");
      }
    }
  }
}

TEST(Resample, RowsOfVectorsAreThoseOfSingleBytes) {
  for (const Weights rule : {Weights::torchvision, Weights::pillow}) {
    for (const auto& [in, out] : {std::pair{1, 28}, {5, 3}, {40, 28}, {28, 56}, {300, 84}, {997, 28}}) {
      for (const int64_t bytes : {3, 31, 32, 33, 99}) {
        const Axis axis = make_axis(in, out, rule);
        const std::vector<uint8_t> from = noise(in * bytes, 0, static_cast<uint32_t>(in));
        std::vector<uint8_t> fast(static_cast<size_t>(bytes)), slow(fast.size());
        for (int64_t y = 0; y < axis.out; ++y) {
          const uint8_t* first = from.data() + axis.first[static_cast<size_t>(y)] * bytes;
          weigh_rows(first, bytes, axis, y, bytes, fast.data());
          plain::weigh_rows(first, bytes, axis, y, bytes, slow.data());
          ASSERT_EQ(fast, slow) << in << " to " << out << ", row " << y << ", " << bytes << " bytes";
        }
      }
    }
  }
}

TEST(ResizePillow, CrcOfCheckPictures) {
  for (const CrcRow& row : kCrcRows) {
    const Image from = check_picture(row.from_height, row.from_width);
    const Size size{row.height, row.width};
    EXPECT_EQ(crc_text(resize_pillow(from, size, ImageBackend::pillow12).rgb), row.pillow_crc) << row.pillow_crc;
    // Only the first loses rows and gains columns, which is when Pillow 13 begins with the height.
    const char* since_13 = &row == kCrcRows ? "f32c01e2" : row.pillow_crc;
    EXPECT_EQ(crc_text(resize_pillow(from, size).rgb), since_13) << row.pillow_crc;
  }
}

TEST(ResizeTorchvision, ThreadsDoNotChangeBits) {
  const int threads = thread_count();
  for (const int n : {1, 3, 8}) {
    set_thread_count(n);
    EXPECT_EQ(crc_text(resize_torchvision(check_picture(300, 500), {84, 140}).rgb), "64eee2f4") << n << " threads";
  }
  set_thread_count(threads);
}

const std::vector<int> kLine = {0, 10, 200, 255, 30, 60, 90, 120};
struct LineRow {
  std::vector<int> expected;
};
const LineRow kLineRows[] = {
    {{0, 170, 148, 52, 110}}, {{19, 196, 66, 100}}, {{0, 0, 33, 174, 253, 231, 56, 29, 65, 85, 108, 122}}};

/// The same values in all three channels, along the width or along the height.
Image line_picture(bool upright) {
  const auto n = static_cast<int64_t>(kLine.size());
  Image image{upright ? 1 : n, upright ? n : 1, {}};
  for (const int v : kLine) image.rgb.insert(image.rgb.end(), 3, static_cast<uint8_t>(v));
  return image;
}

TEST(ResizeTorchvision, OneDimension) {
  for (const LineRow& row : kLineRows) {
    const auto n = static_cast<int64_t>(row.expected.size());
    for (const bool upright : {false, true}) {
      const Size size = upright ? Size{n, 1} : Size{1, n};
      const Image out = resize_torchvision(line_picture(upright), size);
      std::vector<int> first_channel;
      for (size_t i = 0; i < out.rgb.size(); i += 3) first_channel.push_back(out.rgb[i]);
      EXPECT_EQ(first_channel, row.expected) << (upright ? "height" : "width");
      EXPECT_EQ(resize_pillow(line_picture(upright), size).rgb, out.rgb);
    }
  }
}

TEST(ResizeTorchvision, SameSizeIsUntouched) {
  const Image image = check_picture(17, 23);
  EXPECT_EQ(resize_torchvision(image, {17, 23}).rgb, image.rgb);
}

TEST(ResizeTorchvision, FlatColoursStayFlat) {
  Image flat{37, 53, {}};
  for (int i = 0; i < 37 * 53; ++i) flat.rgb.insert(flat.rgb.end(), {7, 128, 255});
  for (const Size size : {Size{1, 1}, Size{28, 112}, Size{200, 3}}) {
    const Image out = resize_torchvision(flat, size);
    for (size_t i = 0; i < out.rgb.size(); ++i) ASSERT_EQ(out.rgb[i], flat.rgb[i % 3]) << i;
  }
}

TEST(ResizeTorchvision, LyingPictureIsRefused) {
  Image lying = check_picture(5, 5);
  lying.rgb.pop_back();
  EXPECT_THROW(resize_torchvision(lying, {28, 28}), Error);
  EXPECT_THROW(resize_torchvision(check_picture(5, 5), {0, 28}), Error);
  EXPECT_THROW(resize_pillow(lying, {28, 28}), Error);
}

}  // namespace
}  // namespace glmv
