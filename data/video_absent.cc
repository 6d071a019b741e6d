// Video files in a build without FFmpeg: refused, and the error says why.
#include "data/video.h"
#include "reference/core/error.h"

namespace glmv {

struct VideoFile::Decoder {
  VideoMetadata metadata;
};

bool video_files_are_read() { return false; }

VideoFile VideoFile::open(const std::string& path) {
  throw Error(ExitCode::no_device, concat(path,
                                          ": this build reads no video files (GLMV_VIDEO is off, or FFmpeg's "
                                          "libraries were not found); give a folder of frames"));
}

VideoFile::VideoFile(std::unique_ptr<Decoder> decoder) : decoder_(std::move(decoder)) {}
VideoFile::VideoFile(VideoFile&&) noexcept = default;
VideoFile::~VideoFile() = default;

// No file is ever open here.
const VideoMetadata& VideoFile::metadata() const { return decoder_->metadata; }
int64_t VideoFile::missing_frames() const { return 0; }
Size VideoFile::size() const { return {}; }
void VideoFile::read(const std::vector<int64_t>&, const std::function<void(const Image&)>&) {}

}  // namespace glmv
