// The bytes come through our own reader, and FFmpeg may open nothing else: a play list that calls itself a video must
// not reach other files or the network.
#include "data/video_demuxer.h"

#include <sys/types.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "data/file.h"

extern "C" {
#include <libavutil/display.h>
}

namespace glmv {

std::string reason(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(error, text, sizeof text);
  return text;
}

/// The file as FFmpeg sees it: read and seek, nothing else.
class Demuxer::Bytes {
 public:
  explicit Bytes(const std::string& path) : file_(open_input(path)) {
    constexpr int kBufferBytes = 1 << 16;
    auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
    context_ = avio_alloc_context(buffer, kBufferBytes, 0, this, &read, nullptr, &seek);
    GLMV_CHECK(buffer && context_, "no memory for ", path);
  }
  ~Bytes() {
    av_freep(&context_->buffer);
    avio_context_free(&context_);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  AVIOContext* context() const { return context_; }

 private:
  static int read(void* self, uint8_t* to, int count) {
    Bytes& bytes = *static_cast<Bytes*>(self);
    const ssize_t got = ::pread(bytes.file_.descriptor.get(), to, static_cast<size_t>(count), bytes.at_);
    if (got < 0) return AVERROR(errno);
    if (got == 0) return AVERROR_EOF;
    bytes.at_ += got;
    return static_cast<int>(got);
  }
  static int64_t seek(void* self, int64_t offset, int whence) {
    Bytes& bytes = *static_cast<Bytes*>(self);
    const auto size = static_cast<int64_t>(bytes.file_.bytes);
    if (whence == AVSEEK_SIZE) return size;
    const int64_t from = whence == SEEK_CUR ? bytes.at_ : whence == SEEK_END ? size : 0;
    int64_t to = 0;
    if (__builtin_add_overflow(from, offset, &to) || to < 0) return AVERROR(EINVAL);
    return bytes.at_ = to;
  }

  InputFile file_;
  int64_t at_ = 0;
  AVIOContext* context_ = nullptr;
};

namespace {

int open_nothing(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EPERM); }

}  // namespace

int quarter_turns(const AVStream& stream) {
  size_t bytes = 0;
  const uint8_t* side = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &bytes);
  if (!side || bytes < 9 * sizeof(int32_t)) return 0;
  int32_t matrix[9];
  std::memcpy(matrix, side, sizeof matrix);
  const double degrees = -av_display_rotation_get(matrix);  // FFmpeg counts the other way round
  return std::isfinite(degrees) ? (static_cast<int>(std::lround(degrees / 90)) % 4 + 4) % 4 : 0;
}

Demuxer::Demuxer(const std::string& path) : path_(path), bytes_(std::make_unique<Bytes>(path)) {
  AVFormatContext* format = avformat_alloc_context();
  GLMV_CHECK(format, "no memory for ", path);
  format->pb = bytes_->context();
  format->io_open = open_nothing;
  format->protocol_whitelist = av_strdup("none");  // what a play list opens inherits this, but not io_open
  // On failure FFmpeg frees the context itself.
  check_opened(avformat_open_input(&format, "", nullptr, nullptr));
  format_.reset(format);
  check(avformat_find_stream_info(format, nullptr), "its streams cannot be read");
  const int index = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  const bool is_cover = index >= 0 && format->streams[index]->disposition & AV_DISPOSITION_ATTACHED_PIC;
  if (index < 0 || is_cover) fail("it has no video stream (", format->nb_streams, " other streams)");
  stream_ = format->streams[index];
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    if (format->streams[i] != stream_) format->streams[i]->discard = AVDISCARD_ALL;
  }
}

Demuxer::~Demuxer() = default;

bool Demuxer::next(AVPacket* packet) {
  for (;;) {
    av_packet_unref(packet);
    const int error = av_read_frame(format_.get(), packet);
    if (error == AVERROR_EOF) return false;
    check(error, "its packets cannot be read");
    if (packet->stream_index == stream_->index) return true;
  }
}

void Demuxer::check_opened(int error) const {
  constexpr int kMostSystemErrors = 4095;
  const bool of_demuxer = error < 0 && AVUNERROR(error) <= kMostSystemErrors && error != AVERROR(EIO);
  if (of_demuxer) fail("not a video file that FFmpeg reads: its format is not known, or the demuxer for it failed");
  check(error, "not a video file that FFmpeg reads");
}

}  // namespace glmv
