#include "data/clip.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/json_file.h"
#include "data/video.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Indices = std::vector<int64_t>;

const std::string kMetadataFile = "metadata.json";
constexpr double kFolderFps = 2;

/// Errors of sampling and resizing do not know of which clip they speak.
template <class F>
auto about(const std::string& path, F f) {
  try {
    return f();
  } catch (const Error& e) {
    throw Error(e.code(), concat(path, ": ", e.what()));
  }
}

std::vector<double> seconds_of(const Indices& frames, double fps) {
  std::vector<double> seconds;
  for (const int64_t frame : frames) seconds.push_back(static_cast<double>(frame) / fps);
  return seconds;
}

// ---------------------------------------------------------------------------------------------------------- files

Clip read_video(const std::string& path, const ImageConfig& config) {
  VideoFile video = VideoFile::open(path);
  const Indices frames = about(path, [&] { return sample_frames(video.metadata(), config.sampling); });
  const Size target = about(path, [&] {
    return smart_resize(static_cast<int64_t>(frames.size()), video.size().height, video.size().width, config);
  });
  Clip clip{{}, seconds_of(frames, video.metadata().fps), path, true};
  if (video.missing_frames() > 0)
    clip.warning = concat("the container announces ", video.missing_frames() + video.metadata().total_frames,
                          " frames, ", video.metadata().total_frames, " are there (truncated?)");
  video.read(frames, [&](const Image& frame) { clip.frames.push_back(resize_torchvision(frame, target)); });
  return clip;
}

// -------------------------------------------------------------------------------------------------------- folders

/// What metadata.json says; read from an untrusted file.
struct FolderMetadata {
  double fps = 0;
  double duration = 0;  ///< 0 = not said
  std::optional<Indices> indices;
};

double positive_number(const std::string& path, const Json& root, const char* key) {
  const Json& value = root.at(key);
  const double number = value.is_number() ? value.get<double>() : 0.0;
  if (!(number > 0 && std::isfinite(number))) input_error(path, ": ", key, " is ", value, ", wanted a positive number");
  return number;
}

Indices read_indices(const std::string& path, const Json& list, size_t files) {
  constexpr int64_t kLargest = int64_t{1} << 40;
  const auto is_index = [](const Json& v) { return v.is_number_integer() && v >= 0 && v <= kLargest; };
  if (!list.is_array() || list.size() != files || !std::all_of(list.begin(), list.end(), is_index)) {
    input_error(path, ": frames_indices must be one whole number per frame, ", files, " of them");
  }
  return list.get<Indices>();
}

FolderMetadata read_metadata(const std::string& path, size_t files) {
  constexpr uint64_t kMostBytes = 1 << 22;
  const Json root = parse_json_object(read_file(path, kMostBytes), path);
  FolderMetadata metadata;
  for (const auto& [key, value] : root.items()) {
    if (value.is_null() || key == "width" || key == "height" || key == "video_backend") continue;
    if (key == "fps") {
      metadata.fps = positive_number(path, root, "fps");
    } else if (key == "duration") {
      metadata.duration = positive_number(path, root, "duration");
    } else if (key == "frames_indices") {
      metadata.indices = read_indices(path, value, files);
    } else if (key != "total_num_frames") {
      input_error(path, ": ", key, " is not a key of a clip's metadata");
    }
  }
  if (metadata.fps == 0) input_error(path, ": fps is missing");
  const auto total = root.find("total_num_frames");
  if (total != root.end() && !total->is_null() && !metadata.indices && *total != files) {
    input_error(path, ": total_num_frames is ", *total, ", the folder has ", files, " frames");
  }
  return metadata;
}

struct Folder {
  std::vector<std::string> frames;  ///< in name order
  bool has_metadata = false;
};

Folder list_folder(const std::string& folder) {
  Folder out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name == kMetadataFile) out.has_metadata = true;
    if (name != kMetadataFile && !name.starts_with('.')) out.frames.push_back(entry.path().string());
  }
  std::sort(out.frames.begin(), out.frames.end());
  if (out.frames.empty()) input_error(folder, ": no frames in it");
  return out;
}

Clip read_frames(const std::string& path, const ImageConfig& config, std::optional<double> fps) {
  const Folder folder = list_folder(path);
  const auto count = static_cast<int64_t>(folder.frames.size());
  Indices taken(folder.frames.size());
  for (size_t i = 0; i < taken.size(); ++i) taken[i] = static_cast<int64_t>(i);
  std::vector<double> seconds = seconds_of(taken, fps.value_or(kFolderFps));
  if (folder.has_metadata) {
    const FolderMetadata metadata = read_metadata(path + "/" + kMetadataFile, folder.frames.size());
    if (metadata.indices) {
      if (fps) usage_error("--fps ", *fps, ": ", path, '/', kMetadataFile, " says which frames these are");
      seconds = seconds_of(*metadata.indices, metadata.fps);
    } else {
      const VideoMetadata video{count, metadata.fps, metadata.duration};
      taken = about(path, [&] { return sample_frames(video, config.sampling); });
      seconds = seconds_of(taken, metadata.fps);
    }
  }
  Clip clip{{}, std::move(seconds), path};
  for (const int64_t frame : taken) clip.frames.push_back(read_image(folder.frames[static_cast<size_t>(frame)]));
  return clip;
}

}  // namespace

Clip read_clip(const std::string& path, const ImageConfig& config, std::optional<double> fps) {
  if (!fs::exists(path)) input_error(path, ": no such video file or folder of frames");
  ImageConfig asked = config;
  if (fps) asked.sampling.fps = *fps;
  if (fs::is_directory(path)) return read_frames(path, asked, fps);
  if (fps && config.sampling.rule != SamplingRule::glm4v) {
    usage_error("--fps ", *fps, ": this model samples ", path, " by a rule of its own, which takes no rate");
  }
  return read_video(path, asked);
}

}  // namespace glmv
