// Which frames of a clip the model sees: the sampling rules of the GLM-4V video processors.
#pragma once

#include <cstdint>
#include <vector>

namespace glmv {

/// What is known of a clip before a frame is decoded.
struct VideoMetadata {
  int64_t total_frames = 0;  ///< frames in order of time, numbered from 0
  double fps = 0;            ///< average frames per second: frame i stands at i / fps seconds
  double duration = 0;       ///< seconds; 0 = unknown, then it is derived from frames and fps
};

enum class SamplingRule {
  glm4v,    ///< GLM-4.1V, GLM-4.5V: a fixed rate (2 per second) up to max_duration, then a fixed number
  glm46v,   ///< GLM-4.6V: 6, 2 or 1 frames per second by duration, 640 at most
  nothing,  ///< every frame (do_sample_frames: false)
};

/// What a snapshot's video_preprocessor_config.json says about it.
struct SamplingConfig {
  SamplingRule rule = SamplingRule::glm4v;
  double fps = 2;             ///< frames per second that glm4v takes of a clip no longer than max_duration
  double max_duration = 300;  ///< seconds
  int64_t temporal_patch_size = 2;
};

/// Most frames that are taken of one clip: beyond the 600 and 640 of the rules only a rate asked for by hand goes.
constexpr int64_t kMostSampledFrames = 65536;

/// Indices of the frames, ascending, in pairs: an odd count repeats the last one. A clip under 1/6 s, of which
/// GLM-4.6V's rule takes nothing, gives its first frame twice. Source: transformers 5.24.0,
/// models/{glm4v,glm46v}/video_processing_*.py. Error (exit code 3) for metadata of no frames or no rate, and for more
/// frames than kMostSampledFrames.
std::vector<int64_t> sample_frames(const VideoMetadata& video, const SamplingConfig& config);

}  // namespace glmv
