// Video files against the library's decoder and video processors: tests/golden/clips, made by make_clips.py.
#include "data/video.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cli_fixture.h"
#include "data/clip.h"
#include "image_crc.h"
#include "reference/model/prompt.h"

namespace glmv {
namespace {

const std::string kClips = kGolden + "clips/";

Json goldens() { return Json::parse(read(kClips + "clips.json")); }

ImageConfig config_of(const std::string& rule) {
  ImageConfig config = read_image_config(kTwin, "video_preprocessor_config.json");
  config.sampling.rule = rule == "glm46v" ? SamplingRule::glm46v : SamplingRule::glm4v;
  return config;
}

class Video : public Cli {
 protected:
  void SetUp() override {
    if (!video_files_are_read()) GTEST_SKIP() << "this build reads no video files";
    Cli::SetUp();
  }
  /// The message of an Error of exit code 3.
  std::string refusal(const std::string& file) const {
    try {
      read_clip(file, config_of("glm4v"), std::nullopt);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input) << e.what();
      return e.what();
    }
    ADD_FAILURE() << file << " was read";
    return "";
  }
};

TEST_F(Video, MetadataIsTheLibrarysBitForBit) {
  const Json clips = goldens();
  ASSERT_EQ(clips.size(), 17u);
  for (const auto& [name, want] : clips.items()) {
    const VideoFile video = VideoFile::open(kClips + name);
    EXPECT_EQ(video.metadata().total_frames, want["frames"]) << name;
    EXPECT_EQ(video.metadata().fps, want["fps"].get<double>()) << name;
    EXPECT_EQ(video.metadata().duration, want["duration"].get<double>()) << name;
    EXPECT_EQ(video.size().width, want["width"]) << name;
    EXPECT_EQ(video.size().height, want["height"]) << name;
  }
}

// Constant and variable rates, B frames, edit lists, rotation, odd sizes, alpha, full range, BT.709, 10 bits, GIF.
TEST_F(Video, FramesAreTheLibrarysByteForByte) {
  const Json clips = goldens();
  for (const auto& [name, want] : clips.items()) {
    VideoFile video = VideoFile::open(kClips + name);
    std::vector<int64_t> all(want["frames"].get<size_t>());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    std::vector<std::string> crcs;
    video.read(all, [&](const Image& frame) { crcs.push_back(crc_text(frame.rgb)); });
    const auto wrong = std::mismatch(crcs.begin(), crcs.end(), want["frame_crcs"].begin(), want["frame_crcs"].end());
    EXPECT_TRUE(wrong.first == crcs.end() && wrong.second == want["frame_crcs"].end())
        << name << ": frame " << wrong.first - crcs.begin() << " of " << crcs.size();
  }
}

TEST_F(Video, FramesGridsAndPixelsAreTheProcessors) {
  const Json clips = goldens();
  for (const auto& [name, golden] : clips.items()) {
    for (const char* rule : {"glm4v", "glm46v"}) {
      const Json& want = golden[rule];
      const ImageConfig config = config_of(rule);
      const Clip clip = read_clip(kClips + name, config, std::nullopt);
      if (want.contains("error")) {  // the library takes no frame of it; here it is one pair
        EXPECT_EQ(clip.seconds, (std::vector<double>{0, 0})) << name;
        continue;
      }
      EXPECT_EQ(clip.seconds, want["seconds"].get<std::vector<double>>()) << name << ' ' << rule;
      const Patches patches = to_patches(clip.frames, config);
      EXPECT_EQ(Json(patches.grid), want["grid"]) << name << ' ' << rule;
      const auto* floats = reinterpret_cast<const uint8_t*>(patches.rows.data<float>());
      EXPECT_EQ(crc_text(floats, static_cast<size_t>(patches.rows.view.size()) * sizeof(float)), want["pixels_crc"])
          << name << ' ' << rule;
    }
  }
}

TEST_F(Video, AFrameIsTheSameWhereverReadingBegins) {
  VideoFile video = VideoFile::open(kClips + "ntsc.mp4");
  std::vector<std::string> all, some;
  std::vector<int64_t> indices(45);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i);
  video.read(indices, [&](const Image& f) { all.push_back(crc_text(f.rgb)); });
  video.read({7, 7, 44}, [&](const Image& f) { some.push_back(crc_text(f.rgb)); });
  EXPECT_EQ(some, (std::vector<std::string>{all[7], all[7], all[44]}));
}

TEST_F(Video, BrokenFilesAreOneError) {
  const auto says = [](const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  says(refusal(kClips + "sound_only.m4a"), {"sound_only.m4a", "no video stream"});
  says(refusal(kSource + "/README.md"), {"README.md", "not a video"});
  says(refusal(path("nowhere.mp4")), {"nowhere.mp4", "no such"});
  std::ofstream(path("empty.mp4"));
  says(refusal(path("empty.mp4")), {"empty.mp4"});
}

// As in the library, only a frame that is asked for can be missing.
TEST_F(Video, ATruncatedFileHasTheFramesThatAreThere) {
  const Clip clip = read_clip(kClips + "truncated.mp4", config_of("glm4v"), std::nullopt);
  EXPECT_EQ(clip.seconds, (std::vector<double>{0, 0}));
  EXPECT_NE(clip.warning.find("announces 60 frames"), std::string::npos) << clip.warning;
  EXPECT_EQ(read_clip(kClips + "ntsc.mp4", config_of("glm4v"), std::nullopt).warning, "");
  VideoFile video = VideoFile::open(kClips + "truncated.mp4");
  const int64_t frames = video.metadata().total_frames;
  EXPECT_LT(frames, 60);
  try {
    video.read({frames - 1}, [](const Image&) {});
    ADD_FAILURE() << "the last frame is cut off";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_NE(std::string(e.what()).find(concat("frame ", frames - 1)), std::string::npos) << e.what();
  }
  expect_error(concat("preprocess --prompt x --fps 30 --video ", kClips, "truncated.mp4"), 3,
               {"truncated.mp4", "frame"});
}

/// A play list may name any file or address; nothing of it is opened. Relative names are those that FFmpeg trusts.
TEST_F(Video, APlayListReachesNothing) {
  fs::copy_file(kClips + "constant.mp4", path("constant.mp4"));
  std::ofstream(path("list.m3u8")) << "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nconstant.mp4\n#EXT-X-ENDLIST\n";
  std::ofstream(path("list.ffconcat")) << "ffconcat version 1.0\nfile constant.mp4\n";
  for (const char* list : {"list.m3u8", "list.ffconcat"}) {
    expect_error(concat("preprocess --prompt x --video ", list), 3, {list});
  }
}

/// Every byte of the header changed in turn: a clip or one error, and never much memory.
TEST_F(Video, ALyingHeaderIsAClipOrAnError) {
  const std::string whole = read(kClips + "half_second.mp4");
  for (size_t at = 0; at < whole.size(); at += 3) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(0xff);
    const std::string file = path("lying.mp4");
    std::ofstream(file, std::ios::binary) << bytes;
    try {
      read_clip(file, config_of("glm4v"), std::nullopt);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input) << at << ": " << e.what();
    }
  }
}

// -------------------------------------------------------------------------------------------------------- folders

/// A folder of the first `count` frames of a clip, with or without metadata.json.
void write_frames(const fs::path& folder, const std::string& clip, int64_t count, const Json& metadata) {
  fs::create_directories(folder);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(i);
  VideoFile video = VideoFile::open(kClips + clip);
  int64_t number = 1000;
  video.read(indices, [&](const Image& f) { write_png(folder / concat(number++, ".png"), f); });
  if (!metadata.is_null()) std::ofstream(folder / "metadata.json") << metadata;
}

TEST_F(Video, AFolderWithMetadataIsTheFile) {
  const Json want = goldens()["ntsc.mp4"];
  write_frames(path("frames"), "ntsc.mp4", 45, {{"fps", want["fps"]}, {"duration", want["duration"]}});
  for (const char* rule : {"glm4v", "glm46v"}) {
    const ImageConfig config = config_of(rule);
    const Clip folder = read_clip(path("frames"), config, std::nullopt);
    EXPECT_EQ(folder.seconds, want[rule]["seconds"].get<std::vector<double>>());
    const Clip file = read_clip(kClips + "ntsc.mp4", config, std::nullopt);
    EXPECT_EQ(folder.seconds, file.seconds);
    ASSERT_EQ(folder.frames.size(), file.frames.size());
    const Size size{file.frames[0].height, file.frames[0].width};
    for (size_t i = 0; i < file.frames.size(); ++i)
      EXPECT_EQ(resize_torchvision(folder.frames[i], size).rgb, file.frames[i].rgb);
  }
}

TEST_F(Video, AFolderSaysWhereItsFramesStood) {
  write_frames(path("frames"), "ntsc.mp4", 3,
               {{"fps", 30}, {"frames_indices", {0, 45, 90}}, {"total_num_frames", 300}});
  EXPECT_EQ(read_clip(path("frames"), config_of("glm4v"), std::nullopt).seconds, (std::vector<double>{0, 1.5, 3}));
  expect_error("preprocess --prompt x --video frames --fps 5", 2, {"--fps 5", "metadata.json"});
  const auto lies = [&](const Json& metadata, const char* part) {
    std::ofstream(path("frames/metadata.json")) << metadata;
    expect_error("preprocess --prompt x --video frames", 3, {"metadata.json", part});
  };
  lies({{"fps", 0}}, "fps is 0");
  lies({{"duration", 3}}, "fps is missing");
  lies({{"fps", 30}, {"frames_indices", {0, 1}}}, "3 of them");
  lies({{"fps", 30}, {"frames_indices", {0, 1, -1}}}, "frames_indices");
  lies({{"fps", 30}, {"total_num_frames", 4}}, "total_num_frames is 4");
  lies({{"fps", 30}, {"frame_indices", {0, 1, 2}}}, "frame_indices is not a key");
  lies(Json::array(), "object");
}

// ---------------------------------------------------------------------------------------------------- command line

TEST_F(Video, FilesFoldersAndPicturesInOnePrompt) {
  write_frames(path("frames"), "constant.mp4", 4, nullptr);
  const Result r = glmv(concat("preprocess --prompt 'Compare.' --image ", kPicture, " --video ", kClips,
                               "constant.mp4 --video frames --json"));
  ASSERT_EQ(r.code, 0) << r.err;
  const Json out = Json::parse(r.out);
  EXPECT_EQ(out["image_grid_thw"].size(), 1u);
  EXPECT_EQ(out["video_grid_thw"][0], goldens()["constant.mp4"]["glm4v"]["grid"]);
  EXPECT_EQ(out["video_grid_thw"][1][0], 2);
  const std::string text = out["text"];
  EXPECT_NE(text.find("<|end_of_image|>0<|begin_of_image|>"), std::string::npos);
  EXPECT_NE(text.find("<|end_of_image|>1<|end_of_video|>"), std::string::npos);
}

TEST_F(Video, TheRateOfAFileCanBeAskedFor) {
  const auto pairs = [&](const std::string& flags) {
    const Result r = glmv(concat("preprocess --prompt x --json --video ", kClips, "constant.mp4 ", flags));
    EXPECT_EQ(r.code, 0) << r.err;
    return Json::parse(r.out)["video_grid_thw"][0][0].get<int>();
  };
  EXPECT_EQ(pairs(""), 2);
  EXPECT_EQ(pairs("--fps 2"), 2);
  EXPECT_EQ(pairs("--fps 5"), 5);
  try {
    read_clip(kClips + "constant.mp4", config_of("glm46v"), 5);
    ADD_FAILURE() << "GLM-4.6V's rule takes no rate";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
  }
}

}  // namespace
}  // namespace glmv
