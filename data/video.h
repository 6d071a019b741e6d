// Video files -> metadata and the frames that are asked for, as RGB bytes.
//
// Through FFmpeg's libraries (GLMV_VIDEO); without them every file is refused by name. Counted and timed as
// torchcodec does, the decoder of transformers 5: every packet is looked at, so a header cannot lie about frames.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/frame_sampling.h"
#include "data/image.h"

namespace glmv {

/// False if this build has no FFmpeg.
bool video_files_are_read();

/// Most frames of a file that are counted; 9 hours at 30 per second.
constexpr int64_t kMostVideoFrames = 1'000'000;

/// One open video file: its default video stream. Subtitles, sound and further streams are ignored.
class VideoFile {
 public:
  /// Opens the file and counts its frames. Error (exit code 3) naming file and reason: not a video, no video stream, a
  /// codec that FFmpeg lacks, more than kMostVideoFrames frames or kMostPixels pixels; (exit code 5) without FFmpeg.
  static VideoFile open(const std::string& path);
  VideoFile(VideoFile&&) noexcept;
  ~VideoFile();

  const VideoMetadata& metadata() const;
  /// Of the frames as they are meant to be seen: the rotation that the container asks for is applied.
  Size size() const;
  /// That the container announces and the file does not hold: it was cut off. What is there is read as the library
  /// does.
  int64_t missing_frames() const;
  /// Calls `take` for each of `indices`, which ascend (equals allowed), with the decoded frame. Alpha is dropped.
  /// Error (exit code 3) if a frame is missing or broken.
  void read(const std::vector<int64_t>& indices, const std::function<void(const Image&)>& take);

 private:
  struct Decoder;
  explicit VideoFile(std::unique_ptr<Decoder> decoder);
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace glmv
