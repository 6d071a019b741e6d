#include "cli/golden_suite.h"

#include <filesystem>

#include "data/image.h"
#include "reference/core/splitmix.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;

/// Slopes in two channels, blocks in the third and grain over all: no two patches alike, and nothing symmetric, so that
/// exchanged axes and shifted patches show.
Image drawing(int64_t width, int64_t height, uint64_t seed) {
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  SplitMix64 random(seed);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t grain = static_cast<int64_t>(random.next() % 48);
      const int64_t values[] = {x * 200 / width, y * 200 / height,
                                (x / 9 + 2 * (y / 5) + static_cast<int64_t>(seed)) % 4 * 50};
      for (int64_t c = 0; c < 3; ++c)
        image.rgb[static_cast<size_t>((y * width + x) * 3 + c)] = static_cast<uint8_t>(values[c] + grain);
    }
  }
  return image;
}

std::string draw(const std::string& folder, const std::string& name, int64_t width, int64_t height, uint64_t seed) {
  const std::string file = "media/" + name;
  fs::create_directories((fs::path(folder) / file).parent_path());
  write_png((fs::path(folder) / file).string(), drawing(width, height, seed));
  return file;
}

}  // namespace

std::vector<SuitePrompt> core_suite(const std::string& folder) {
  constexpr int64_t kHugeLimit =
      2 * 64 * 28 * 28;  // a picture counts as two frames: 64 tokens, so that a laptop can run it
  const auto png = [&](const std::string& name, int64_t width, int64_t height, uint64_t seed) {
    return draw(folder, name + ".png", width, height, seed);
  };
  constexpr uint64_t kFrames = 5;
  for (uint64_t f = 0; f < kFrames; ++f) draw(folder, "clip/" + std::to_string(f) + ".png", 112, 84, 10 + f);
  return {
      {"text", "text only", "Name three colours of the rainbow.", {}, {}, {}},
      {"one_image", "one picture", "Describe the picture.", {png("a", 168, 112, 1)}, {}, {}},
      {"two_images",
       "two pictures of different shape",
       "Which picture is taller?",
       {png("b", 196, 84, 2), png("c", 84, 140, 3)},
       {},
       {}},
      {"tiny", "a picture smaller than a patch", "What is this?", {png("tiny", 5, 3, 4)}, {}, {}},
      {"huge",
       "a picture above the limit, here 64 tokens",
       "What is this?",
       {png("huge", 900, 620, 5)},
       {},
       kHugeLimit},
      {"video", "a clip of five frames", "What happens?", {}, {"media/clip"}, {}},
  };
}

}  // namespace glmv::cli
