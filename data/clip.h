// Clips: a video file or a folder of frames -> the frames that the model sees, with their times.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/image.h"

namespace glmv {

/// A clip as frames that were already sampled, with the second each stands at.
struct Clip {
  std::vector<Image> frames;
  std::vector<double> seconds;
  std::string name{};     ///< where it came from, for messages; may be empty
  bool resized = false;   ///< the frames have the size that smart_resize() gives this clip
  std::string warning{};  ///< what is odd about the file, a sentence; empty if nothing is
};

/// A clip from a video file or a folder.
///
/// File: frames are sampled as `config` says, at `fps` per second if given (for GLM-4.6V, whose rule takes no rate,
/// that is an Error, exit code 2), and resized as they come, so that a long clip never stands in memory whole.
///
/// Folder: all files in it but hidden ones, in name order, are frames; they were `fps` per second (2 if not given), and
/// the first stands at second 0. A file metadata.json among them, with keys of transformers' VideoMetadata, says more:
/// `fps` and `frames_indices` (where the frames stood in the video they come from), or `fps` alone, perhaps with
/// `duration`; then the folder holds a whole clip, which is sampled like a file.
///
/// Errors (exit code 3) name file, field and value.
Clip read_clip(const std::string& path, const ImageConfig& config, std::optional<double> fps);

}  // namespace glmv
