// --min-pixels and --max-pixels: other limits than the configuration's, against the library given the same.
#include "data/checkpoint.h"
#include "tests/cli_fixture.h"

namespace glmv {
namespace {

const std::string kPictures = kGolden + "images/";

Json golden() { return Json::parse(read(kPictures + "limits.json"))["rows"]; }

std::optional<int64_t> limit(const Json& row, const char* key) {
  return row[key].is_null() ? std::nullopt : std::optional(row[key].get<int64_t>());
}

std::string sha256_of(const ConstTensorView& v) { return sha256_hex(v.data, static_cast<size_t>(v.bytes())); }

TEST(Limits, PixelsAreThoseOfTheLibraryWithTheSameLimits) {
  const Json rows = golden();
  ASSERT_EQ(rows.size(), 72u);
  int beyond_the_file = 0;
  const ImageConfig published = read_image_config(kTwin);
  for (const Json& row : rows) {
    SCOPED_TRACE(row.dump());
    ImageConfig config = published;
    config.backend = image_backend(row["backend"].get<std::string>());
    set_volumes(config, limit(row, "min_pixels"), limit(row, "max_pixels"));
    const Image image = read_image(kPictures + row["file"].get<std::string>(), config.backend);
    const Patches patches = preprocess_image(image, config);
    EXPECT_EQ(patches.grid, (row["grid"].get<std::array<int64_t, 3>>()));
    EXPECT_EQ(sha256_of(patches.rows.view), row["pixel_values_sha256"]);
    ImageConfig usual = published;
    usual.backend = config.backend;
    beyond_the_file += preprocess_image(image, usual).grid != patches.grid;
  }
  EXPECT_GE(beyond_the_file, 40) << "or the limits limit nothing";
}

class LimitsCli : public Cli {};

TEST_F(LimitsCli, FlagsReachThePixels) {
  int checked = 0;
  for (const Json& row : golden()) {
    if (row["file"] != "rgb.png") continue;
    std::string flags = "--image " + kPictures + "rgb.png --image-backend " + row["backend"].get<std::string>();
    for (const auto& [key, flag] : {std::pair{"min_pixels", " --min-pixels "}, {"max_pixels", " --max-pixels "}})
      if (!row[key].is_null()) flags += flag + row[key].dump();
    const Result r = glmv("preprocess " + flags + " --prompt x -o t.safetensors");
    ASSERT_EQ(r.code, 0) << r.err;
    const SafetensorsFile file = SafetensorsFile::open(path("t.safetensors").string());
    EXPECT_EQ(sha256_of(file.tensors().at("pixel_values")), row["pixel_values_sha256"]) << flags;
    ++checked;
  }
  EXPECT_EQ(checked, 12);
}

TEST_F(LimitsCli, LimitsThatContradictAreRefused) {
  const std::string ask = "preprocess --image " + kPictures + "rgb.png --prompt x ";
  expect_error(ask + "--min-pixels 20000 --max-pixels 10000", 2, {"--min-pixels 20000", "--max-pixels 10000"});
  expect_error(ask + "--max-pixels 12000", 2,
               {"size.shortest_edge 12544", "--max-pixels 12000"});  // below the file's own least
  expect_error(ask + "--min-pixels 0", 2, {"--min-pixels 0: wanted"});
  expect_error(ask + "--max-pixels=-5", 2, {"--max-pixels -5: wanted"});
  for (const char* flag : {"--max-pixels", "--min-pixels"})  // and not the largest number there is
    expect_error(ask + flag + " 99999999999999999999", 2, {flag, "99999999999999999999", "whole number"});
  expect_error("preprocess --prompt x --max-pixels 20000", 2, {"there is no --image"});
}

}  // namespace
}  // namespace glmv
