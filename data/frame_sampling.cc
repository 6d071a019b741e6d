// Python's arithmetic is followed to the operation: one rounding more or less moves a frame.
#include "data/frame_sampling.h"

#include <algorithm>
#include <cmath>

#include "reference/core/error.h"

namespace glmv {
namespace {

using Indices = std::vector<int64_t>;

double real(int64_t n) { return static_cast<double>(n); }

/// numpy.linspace(first, last, count): the last element is exact.
std::vector<double> linspace(double first, double last, int64_t count) {
  std::vector<double> out(static_cast<size_t>(count), first);
  const double step = (last - first) / real(std::max<int64_t>(count - 1, 1));
  for (int64_t i = 0; i < count; ++i) out[static_cast<size_t>(i)] = real(i) * step + first;
  if (count > 1) out.back() = last;
  return out;
}

Indices spread(int64_t first, int64_t last, int64_t count) {
  Indices out;
  for (const double at : linspace(real(first), real(last), count)) out.push_back(static_cast<int64_t>(std::floor(at)));
  return out;
}

Indices all_frames(int64_t total) {
  Indices out(static_cast<size_t>(total));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int64_t>(i);
  return out;
}

double duration_of(const VideoMetadata& v) {
  return v.duration != 0 ? v.duration : std::nearbyint(real(v.total_frames - 1) / v.fps) + 1;
}

void check_count(double frames) {
  if (frames <= real(kMostSampledFrames)) return;
  input_error("sampling takes ", frames, " frames of the clip, at most ", kMostSampledFrames, " are taken");
}

/// The frame at or behind a moment, the last one at most. Compared as doubles: a moment may be beyond every integer.
int64_t frame_behind(double position, int64_t last) {
  const double frame = std::ceil(position);
  return frame >= real(last) ? last : static_cast<int64_t>(frame);
}

Indices glm4v_frames(const VideoMetadata& v, double rate, double max_duration) {
  const double duration = duration_of(v);
  const int64_t last = v.total_frames - 1;
  Indices out;
  if (duration <= max_duration) {
    const double count = std::max(std::floor(duration * rate), 1.0);
    for (int64_t i = 0; real(i) < count; ++i) {
      const int64_t frame = frame_behind(real(i) * v.fps / rate, last);
      if (out.empty() || frame != out.back()) out.push_back(frame);
      if (frame == last) break;  // so are all that follow
    }
    return out;
  }
  const double count = std::trunc(max_duration * rate);
  if (count >= real(v.total_frames)) return all_frames(v.total_frames);
  check_count(count);
  for (const double second : linspace(0, duration, static_cast<int64_t>(count))) {
    out.push_back(frame_behind(second * v.fps, last));
  }
  return out;
}

/// The first frame at or behind every 1 / (2 fps) seconds until the whole seconds of the clip are full.
Indices walk(const VideoMetadata& v, double step, double whole_seconds) {
  Indices out;
  const double frame_seconds = 1 / v.fps;
  double due = 0;
  for (int64_t frame = 0; frame < v.total_frames; ++frame) {
    if (real(frame) * frame_seconds < due) continue;
    due += step;
    out.push_back(frame);
    if (due >= whole_seconds) break;
  }
  return out;
}

Indices glm46v_frames(const VideoMetadata& v, double temporal_patch) {
  constexpr double kMostSeconds = 2400, kMostFrames = 640;
  const double duration = duration_of(v), seconds = std::min(duration, kMostSeconds);
  const double fps = seconds <= 30 ? 3 : seconds <= 300 ? 1 : 0.5;
  const auto wanted = static_cast<int64_t>(std::min(std::trunc(seconds * fps * temporal_patch), kMostFrames));
  const int64_t last = v.total_frames - 1;
  if (v.total_frames < wanted) return spread(0, last, wanted);
  const Indices walked = walk(v, 1 / (temporal_patch * fps), std::trunc(duration));
  const auto taken = static_cast<int64_t>(walked.size());
  if (taken < wanted) return walked.empty() ? spread(0, last, wanted) : spread(walked.front(), walked.back(), wanted);
  return taken > wanted ? spread(0, last, wanted) : walked;
}

}  // namespace

std::vector<int64_t> sample_frames(const VideoMetadata& v, const SamplingConfig& config) {
  if (v.total_frames < 1) input_error("the clip has no frames");
  const bool is_sound = v.fps > 0 && std::isfinite(v.fps) && std::isfinite(v.duration) && v.duration >= 0;
  if (!is_sound) input_error("the clip has ", v.fps, " frames per second and lasts ", v.duration, " s");
  GLMV_CHECK(config.fps > 0 && config.max_duration > 0 && config.temporal_patch_size > 0, "fps ", config.fps,
             ", max_duration ", config.max_duration, ", temporal_patch_size ", config.temporal_patch_size);
  Indices frames;
  if (config.rule == SamplingRule::glm4v) frames = glm4v_frames(v, config.fps, config.max_duration);
  if (config.rule == SamplingRule::glm46v) frames = glm46v_frames(v, real(config.temporal_patch_size));
  if (config.rule == SamplingRule::nothing) frames = all_frames(v.total_frames);
  frames.erase(std::unique(frames.begin(), frames.end()), frames.end());  // ascending, so equals are neighbours
  check_count(real(static_cast<int64_t>(frames.size())));
  if (frames.empty()) frames.push_back(0);
  if (frames.size() % 2 != 0) frames.push_back(frames.back());
  return frames;
}

}  // namespace glmv
