// Config, normalising and patch order against recorded values; the whole way against the library's pixel_values.
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/checkpoint.h"
#include "data/image.h"

namespace glmv {
namespace {

using Json = nlohmann::json;
const std::string kTwin = GLMV_SOURCE_DIR "/data/tiny/glm45v";
const std::string kPictures = GLMV_SOURCE_DIR "/tests/golden/images/";

Image one_colour(int64_t height, int64_t width, std::array<uint8_t, 3> colour) {
  Image image{width, height, {}};
  for (int64_t i = 0; i < height * width; ++i) image.rgb.insert(image.rgb.end(), colour.begin(), colour.end());
  return image;
}

// ------------------------------------------------------------------------------------------------------- patches

TEST(Patches, NormaliseBits) {
  struct Row {
    int64_t channel;
    uint8_t x;
    uint32_t fused, slow;
  };
  const Row rows[] = {
      {0, 0, 0xbfe568dc, 0xbfe568dc},   {0, 1, 0xbfe38a80, 0xbfe38a7f},   {0, 127, 0x3d7ce08c, 0x3d7ce092},
      {0, 128, 0x3d9c560e, 0x3d9c5620}, {0, 255, 0x3ff71542, 0x3ff71541}, {1, 0, 0xbfe044b7, 0xbfe044b8},
      {1, 127, 0x3e1d952e, 0x3e1d9531}, {1, 128, 0x3e2cf360, 0x3e2cf36b}, {1, 255, 0x4004cae4, 0x4004cae5},
      {2, 0, 0xbfbd77d8, 0xbfbd77d8},   {2, 127, 0x3ea6c5e7, 0x3ea6c5e6}, {2, 128, 0x3eae0dc1, 0x3eae0dc4},
      {2, 255, 0x40095661, 0x40095660}};
  ImageConfig config = read_image_config(kTwin);
  for (const ImageBackend backend : {ImageBackend::torchvision, ImageBackend::pillow, ImageBackend::pillow12}) {
    config.backend = backend;
    for (const Row& row : rows) {
      const Patches patches = to_patches({one_colour(28, 28, {row.x, row.x, row.x})}, config);
      const float value = patches.rows.data<float>()[row.channel * 2 * 14 * 14];
      const uint32_t want = is_pillow(backend) ? row.slow : row.fused;
      EXPECT_EQ(std::bit_cast<uint32_t>(value), want) << "channel " << row.channel << " value " << int{row.x};
    }
  }
}

/// Channel c in grey value x of a picture whose every patch is one grey value.
TEST(Patches, TheTwoNormalisingsDifferIn537Of768Values) {
  int different = 0;
  ImageConfig config = read_image_config(kTwin);
  for (int x = 0; x < 256; ++x) {
    const auto v = static_cast<uint8_t>(x);
    config.backend = ImageBackend::torchvision;
    const Patches fused = to_patches({one_colour(28, 28, {v, v, v})}, config);
    config.backend = ImageBackend::pillow;
    const Patches slow = to_patches({one_colour(28, 28, {v, v, v})}, config);
    for (int64_t c = 0; c < 3; ++c) {
      different += fused.rows.data<float>()[c * 2 * 14 * 14] != slow.rows.data<float>()[c * 2 * 14 * 14];
    }
  }
  EXPECT_EQ(different, 537);
}

/// The (row, column) pairs of a tensor whose value differs from element [0, same column].
std::vector<std::pair<int64_t, int64_t>> odd_ones(const Patches& patches) {
  const auto view = as<float, 2>(patches.rows.view);
  std::vector<std::pair<int64_t, int64_t>> found;
  for (int64_t r = 0; r < view.dim[0]; ++r) {
    for (int64_t c = 0; c < view.dim[1]; ++c) {
      if (view(r, c) != view(0, c)) found.emplace_back(r, c);
    }
  }
  return found;
}

TEST(Patches, OnePixelLandsInBothSlots) {
  Image image = one_colour(56, 56, {10, 20, 30});
  image.rgb[(20 * 56 + 45) * 3 + 1] = 99;  // y 20, x 45, channel 1: patch (1, 3)
  const Patches patches = to_patches({image}, read_image_config(kTwin));
  EXPECT_EQ(patches.grid, (std::array<int64_t, 3>{1, 4, 4}));
  EXPECT_EQ(patches.rows.view.dim[0], 16);
  EXPECT_EQ(patches.rows.view.dim[1], 1176);
  EXPECT_EQ(odd_ones(patches), (std::vector<std::pair<int64_t, int64_t>>{{7, 479}, {7, 675}}));
}

TEST(Patches, RowsFollowMergeBlocks) {
  const std::pair<int, int> expected[] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3},
                                          {2, 0}, {2, 1}, {3, 0}, {3, 1}, {2, 2}, {2, 3}, {3, 2}, {3, 3}};
  Image image{56, 56, {}};  // red names the patch row, green the patch column
  for (int y = 0; y < 56; ++y) {
    for (int x = 0; x < 56; ++x) {
      image.rgb.insert(image.rgb.end(), {static_cast<uint8_t>(y / 14), static_cast<uint8_t>(x / 14), 0});
    }
  }
  ImageConfig config;  // mean 0 and std 1/255 leave the bytes as they are
  config.std = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f};
  const Patches patches = to_patches({image}, config);
  const auto view = as<float, 2>(patches.rows.view);
  for (int64_t r = 0; r < 16; ++r) {
    EXPECT_EQ(view(r, 0), static_cast<float>(expected[r].first)) << r;
    EXPECT_EQ(view(r, 2 * 14 * 14), static_cast<float>(expected[r].second)) << r;
  }
}

TEST(Patches, ClipsPairFramesAndRepeatTheLast) {
  ImageConfig config;
  config.std = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f};
  std::vector<Image> frames;
  for (uint8_t f = 1; f <= 3; ++f) frames.push_back(one_colour(28, 56, {f, f, f}));
  const Patches patches = to_patches(frames, config);
  EXPECT_EQ(patches.grid, (std::array<int64_t, 3>{2, 2, 4}));
  const auto view = as<float, 2>(patches.rows.view);
  const auto slots = [&](int64_t row) { return std::pair{view(row, 0), view(row, 14 * 14)}; };
  EXPECT_EQ(slots(0), (std::pair{1.0f, 2.0f}));
  EXPECT_EQ(slots(7), (std::pair{1.0f, 2.0f}));
  EXPECT_EQ(slots(8), (std::pair{3.0f, 3.0f}));
}

TEST(Patches, OtherPatchSizes) {
  ImageConfig config;
  config.patch_size = 4, config.merge_size = 3, config.temporal_patch_size = 3;
  config.std = {1, 1, 1};
  const Patches patches = to_patches({one_colour(24, 36, {1, 2, 3})}, config);
  EXPECT_EQ(patches.grid, (std::array<int64_t, 3>{1, 6, 9}));
  EXPECT_EQ(patches.rows.view.dim[1], 3 * 3 * 4 * 4);
}

TEST(Patches, FramesThatDoNotFitAreRefused) {
  const ImageConfig config = read_image_config(kTwin);
  EXPECT_THROW(to_patches({}, config), Error);
  EXPECT_THROW(to_patches({one_colour(28, 30, {})}, config), Error);
  EXPECT_THROW(to_patches({one_colour(28, 28, {}), one_colour(28, 56, {})}, config), Error);
}

TEST(Preprocess, EveryPictureHasTheLibrarysValues) {
  std::ifstream in(kPictures + "images.json");
  const Json golden = Json::parse(in);
  const ImageConfig config = read_image_config(kTwin);
  ASSERT_GE(golden["pictures"].size(), 50u);
  for (const Json& row : golden["pictures"]) {
    if (!row.contains("decoder")) continue;  // refused
    SCOPED_TRACE(row["file"].get<std::string>());
    const Image image = read_image(kPictures + row["file"].get<std::string>());
    const Size size = smart_resize(config.temporal_patch_size, image.height, image.width, config);
    EXPECT_EQ(Json::array({size.height, size.width}), row["resized"]);
    const Patches patches = preprocess_image(image, config);
    EXPECT_EQ(Json(patches.grid), row["grid"]);
    const auto bytes = static_cast<size_t>(patches.rows.view.bytes());
    EXPECT_EQ(sha256_hex(patches.rows.view.data, bytes), row["pixel_values_sha256"]);
  }
}

TEST(Preprocess, EveryPictureHasTheValuesOfThePillowBackend) {
  std::ifstream in(kPictures + "images.json");
  ImageConfig config = read_image_config(kTwin);
  config.backend = ImageBackend::pillow;
  const Json golden = Json::parse(in);
  ASSERT_GE(golden["pictures"].size(), 50u);
  for (const Json& row : golden["pictures"]) {
    SCOPED_TRACE(row["file"].get<std::string>());
    const Image image = read_image(kPictures + row["file"].get<std::string>(), config.backend);
    const Patches patches = preprocess_image(image, config);
    EXPECT_EQ(Json(patches.grid), row["pillow"]["grid"]);
    const auto bytes = static_cast<size_t>(patches.rows.view.bytes());
    EXPECT_EQ(sha256_hex(patches.rows.view.data, bytes), row["pillow"]["pixel_values_sha256"]);
  }
}

// -------------------------------------------------------------------------------------------------------- config

/// A folder with one file, gone at the end of the test.
class ConfigFolder {
 public:
  explicit ConfigFolder(const std::string& text, const char* file = "preprocessor_config.json") {
    path_ = std::filesystem::temp_directory_path() / ("glmv_patches_" + std::to_string(getpid()));
    std::filesystem::create_directories(path_);
    std::ofstream(path_ / file) << text;
  }
  ~ConfigFolder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

Json good_config() {
  std::ifstream in(kTwin + "/preprocessor_config.json");
  return Json::parse(in);
}

/// The message with which a config is refused.
std::string refusal(const std::string& text, ExitCode code) {
  const ConfigFolder folder(text);
  try {
    read_image_config(folder.path());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "(accepted)";
}

TEST(ImageConfig, ReadsTheTwin) {
  const ImageConfig image = read_image_config(kTwin);
  EXPECT_EQ(image.patch_size, 14);
  EXPECT_EQ(image.temporal_patch_size, 2);
  EXPECT_EQ(image.merge_size, 2);
  EXPECT_EQ(image.min_volume, 12544);
  EXPECT_EQ(image.max_volume, 9633792);
  EXPECT_EQ(image.mean[0], 0.48145466f);
  EXPECT_EQ(image.std[2], 0.27577711f);
  EXPECT_EQ(read_image_config(kTwin, "video_preprocessor_config.json").max_volume, 47040000);
}

TEST(ImageConfig, AbsentKeysMeanTheClassDefaults) {
  const ConfigFolder folder(R"({"size": {"shortest_edge": 1000, "longest_edge": 2000}})");
  const ImageConfig config = read_image_config(folder.path());
  const ImageConfig twin = read_image_config(kTwin);
  EXPECT_EQ(config.patch_size, 14);
  EXPECT_EQ(config.mean, twin.mean);
  EXPECT_EQ(config.std, twin.std);
  EXPECT_EQ(config.max_volume, 2000);
}

TEST(ImageConfig, OtherValuesAreTaken) {
  Json text = good_config();
  text["patch_size"] = 16, text["merge_size"] = 3, text["temporal_patch_size"] = 4;
  text["image_processor_type"] = "Glm46VImageProcessor";
  text["rescale_factor"] = 0.00392156862745098, text["resample"] = 3, text["do_convert_rgb"] = true;
  const ConfigFolder folder(text.dump());
  const ImageConfig config = read_image_config(folder.path());
  EXPECT_EQ(config.patch_size, 16);
  EXPECT_EQ(config.merge_size, 3);
  EXPECT_EQ(config.temporal_patch_size, 4);
}

TEST(ImageConfig, KnowsTheProcessor) {
  Json text = good_config();
  for (const char* name : {"Glm4vProcessor", "Glm46VProcessor"}) {
    text["processor_class"] = name;
    EXPECT_EQ(read_image_config(ConfigFolder(text.dump()).path()).processor_class, name);
  }
  text["processor_class"] = 5;
  EXPECT_NE(refusal(text.dump(), ExitCode::usage).find("processor_class is 5"), std::string::npos);
}

TEST(ImageConfig, ReadsTheFileThatTransformers5Writes) {
  Json video = good_config();
  video["size"]["longest_edge"] = 47040000;
  const Json whole = {
      {"processor_class", "Glm46VProcessor"}, {"image_processor", good_config()}, {"video_processor", video}};
  const ConfigFolder folder(whole.dump(), "processor_config.json");
  EXPECT_EQ(read_image_config(folder.path()).max_volume, 9633792);
  EXPECT_EQ(read_image_config(folder.path()).processor_class, "Glm46VProcessor");
  EXPECT_EQ(read_image_config(folder.path(), "video_preprocessor_config.json").max_volume, 47040000);
}

TEST(ImageConfig, AnotherPipelineIsRefusedByKey) {
  const std::pair<const char*, Json> changes[] = {{"do_resize", false},
                                                  {"do_rescale", false},
                                                  {"do_normalize", false},
                                                  {"do_convert_rgb", false},
                                                  {"do_resize", nullptr},
                                                  {"resample", 2},
                                                  {"rescale_factor", 0.5},
                                                  {"rescale_factor", "1/255"},
                                                  {"rescale_factor", 0},
                                                  {"image_processor_type", "Qwen2VLImageProcessor"},
                                                  {"video_processor_type", 7},
                                                  {"size", 448},
                                                  {"size", nullptr},
                                                  {"patch_size", 0},
                                                  {"patch_size", 14.5},
                                                  {"merge_size", -2},
                                                  {"temporal_patch_size", "2"},
                                                  {"image_mean", Json::array({0.5, 0.5})},
                                                  {"image_mean", 0.5},
                                                  {"image_std", Json::array({0.5, 0, 0.5})},
                                                  {"image_std", Json::array({0.5, "a", 0.5})}};
  for (const auto& [key, value] : changes) {
    Json text = good_config();
    text[key] = value;
    const std::string message = refusal(text.dump(), ExitCode::usage);
    EXPECT_NE(message.find(key), std::string::npos) << key << " = " << value << ": " << message;
    EXPECT_NE(message.find("preprocessor_config.json"), std::string::npos) << message;
  }
}

TEST(ImageConfig, BothVolumesAreMandatory) {
  for (const char* key : {"shortest_edge", "longest_edge"}) {
    for (const Json& value : {Json(), Json(0), Json(-1), Json(12544.5), Json("12544"), Json(1e30)}) {
      Json text = good_config();
      if (value.is_null()) {
        text["size"].erase(key);
      } else {
        text["size"][key] = value;
      }
      EXPECT_NE(refusal(text.dump(), ExitCode::usage).find(key), std::string::npos) << key << " = " << value;
    }
  }
  Json text = good_config();
  text["size"]["height"] = 448;
  EXPECT_NE(refusal(text.dump(), ExitCode::usage).find("size.height"), std::string::npos);
  text = good_config();
  text["size"]["shortest_edge"] = 99999999;
  EXPECT_NE(refusal(text.dump(), ExitCode::usage).find("exceeds"), std::string::npos);
}

TEST(ImageConfig, BrokenFilesAreBadInputs) {
  for (const char* text : {"", "{", "[]", "null", "\xff\xfe"}) {
    EXPECT_NE(refusal(text, ExitCode::bad_input).find("JSON"), std::string::npos) << text;
  }
  EXPECT_THROW(read_image_config("/nowhere"), Error);
}

}  // namespace
}  // namespace glmv
