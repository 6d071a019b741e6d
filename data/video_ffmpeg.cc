// Video files through libavformat, libavcodec and libswscale.
//
// A file is read twice, as torchcodec's exact mode does: once packet by packet, which gives the number of frames and
// their times, and once through the decoder. Frame i is the first decoded one whose time is not before the i-th
// smallest time of the packets. Packets that the container marks as not to be shown (an edit list) do not count.
//
// The bytes come through our own reader, and FFmpeg may open nothing else: a play list that calls itself a video must
// not reach other files or the network.
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "data/exif.h"
#include "data/file.h"
#include "data/video.h"
#include "reference/core/error.h"
#include "reference/core/parallel.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libswscale/swscale.h>
}

namespace glmv {
namespace {

/// Nothing in a sound file needs a block of memory this large; a lying header asks for it.
constexpr size_t kMostBlockBytes = size_t{1} << 30;

template <auto free_function>
struct FreeByAddress {
  template <class T>
  void operator()(T* p) const {
    free_function(&p);
  }
};
using PacketPtr = std::unique_ptr<AVPacket, FreeByAddress<av_packet_free>>;
using FramePtr = std::unique_ptr<AVFrame, FreeByAddress<av_frame_free>>;
using CodecPtr = std::unique_ptr<AVCodecContext, FreeByAddress<avcodec_free_context>>;
using FormatPtr = std::unique_ptr<AVFormatContext, FreeByAddress<avformat_close_input>>;
struct FreeScaler {
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};
using ScalerPtr = std::unique_ptr<SwsContext, FreeScaler>;

std::string reason(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(error, text, sizeof text);
  return text;
}

/// The file as FFmpeg sees it: read and seek, nothing else.
class Bytes {
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

int open_nothing(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EPERM); }

/// Display size, in quarter turns clockwise: what the container asks a player to do with each frame.
int quarter_turns(const AVStream& stream) {
  size_t bytes = 0;
  const uint8_t* side = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &bytes);
  if (!side || bytes < 9 * sizeof(int32_t)) return 0;
  int32_t matrix[9];
  std::memcpy(matrix, side, sizeof matrix);
  const double degrees = -av_display_rotation_get(matrix);  // FFmpeg counts the other way round
  return std::isfinite(degrees) ? (static_cast<int>(std::lround(degrees / 90)) % 4 + 4) % 4 : 0;
}

/// One pass over the packets of a file's default video stream.
class Demuxer {
 public:
  explicit Demuxer(const std::string& path) : path_(path), bytes_(path) {
    AVFormatContext* format = avformat_alloc_context();
    GLMV_CHECK(format, "no memory for ", path);
    format->pb = bytes_.context();
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

  const AVStream& stream() const { return *stream_; }

  /// The next packet of the stream; false at the end.
  bool next(AVPacket* packet) {
    for (;;) {
      av_packet_unref(packet);
      const int error = av_read_frame(format_.get(), packet);
      if (error == AVERROR_EOF) return false;
      check(error, "its packets cannot be read");
      if (packet->stream_index == stream_->index) return true;
    }
  }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    input_error(path_, ": ", parts...);
  }
  /// Demuxers that give up return numbers of the system (no memory, busy) that say nothing of the file.
  void check_opened(int error) const {
    constexpr int kMostSystemErrors = 4095;
    const bool of_demuxer = error < 0 && AVUNERROR(error) <= kMostSystemErrors && error != AVERROR(EIO);
    if (of_demuxer) fail("not a video file that FFmpeg reads: its format is not known, or the demuxer for it failed");
    check(error, "not a video file that FFmpeg reads");
  }
  void check(int error, const char* what) const {
    if (error < 0) fail(what, ": ", reason(error));
  }

 private:
  const std::string path_;
  Bytes bytes_;  // outlives the context that reads through it
  FormatPtr format_;
  AVStream* stream_ = nullptr;
};

/// Frames as RGB, by swscale with the filter that torchcodec asks for: it shows where chroma is scaled in odd sizes and
/// in formats without a direct conversion. Every frame may have its own format.
class Converter {
 public:
  Image operator()(const AVFrame& frame, const Demuxer& file) {
    const auto format = static_cast<AVPixelFormat>(frame.format);
    scaler_.reset(sws_getCachedContext(scaler_.release(), frame.width, frame.height, format, frame.width, frame.height,
                                       AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr));
    if (!scaler_) file.fail("frames in a pixel format that cannot be converted");
    set_colours(frame);
    rgb_.reset(av_frame_alloc());
    GLMV_CHECK(rgb_, "no memory for a frame");
    rgb_->width = frame.width, rgb_->height = frame.height, rgb_->format = AV_PIX_FMT_RGB24;
    file.check(av_frame_get_buffer(rgb_.get(), 0), "no memory for a frame");
    const int rows = sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, rgb_->data, rgb_->linesize);
    if (rows != frame.height) file.fail("a frame cannot be converted to RGB");
    Image image{frame.width, frame.height, {}};
    const size_t row_bytes = static_cast<size_t>(image.width) * 3;
    image.rgb.resize(row_bytes * static_cast<size_t>(image.height));
    for (int64_t y = 0; y < image.height; ++y) {
      std::memcpy(image.rgb.data() + static_cast<size_t>(y) * row_bytes, rgb_->data[0] + y * rgb_->linesize[0],
                  row_bytes);
    }
    return image;
  }

 private:
  /// The frame's own matrix (BT.601, BT.709 ...) instead of swscale's default; ranges stay as the format implies.
  void set_colours(const AVFrame& frame) {
    int *from = nullptr, *to = nullptr, from_range = 0, to_range = 0, brightness = 0, contrast = 0, saturation = 0;
    if (sws_getColorspaceDetails(scaler_.get(), &from, &from_range, &to, &to_range, &brightness, &contrast,
                                 &saturation) < 0) {
      return;  // RGB to RGB
    }
    const int* matrix = sws_getCoefficients(frame.colorspace);
    sws_setColorspaceDetails(scaler_.get(), matrix, from_range, matrix, to_range, brightness, contrast, saturation);
  }

  ScalerPtr scaler_;
  FramePtr rgb_;
};

int64_t time_of(int64_t pts, int64_t dts) { return pts != AV_NOPTS_VALUE ? pts : dts; }

/// In torchcodec's order of operations.
double seconds_at(int64_t time, const AVStream& stream) {
  return static_cast<double>(time) * stream.time_base.num / stream.time_base.den;
}

Image turned(Image image, int quarters) {
  constexpr int kExifOrientation[4] = {1, 6, 3, 8};
  return apply_orientation(std::move(image), kExifOrientation[quarters]);
}

}  // namespace

struct VideoFile::Decoder {
  std::string path;
  VideoMetadata metadata;
  Size stored;
  int quarters = 0;
  std::vector<int64_t> times;  ///< of the frames, ascending; empty if the file has none

  explicit Decoder(const std::string& name);
  void count_frames(Demuxer& file);
  CodecPtr open_codec(const Demuxer& file) const;
  bool is_due(const AVFrame& frame, int64_t seen, int64_t index) const;
};

VideoFile::Decoder::Decoder(const std::string& name) : path(name) {
  av_log_set_level(AV_LOG_QUIET);  // one clear error, ours
  av_max_alloc(kMostBlockBytes);
  Demuxer file(path);
  const AVStream& stream = file.stream();
  quarters = quarter_turns(stream);
  stored = {stream.codecpar->height, stream.codecpar->width};
  if (stored.height <= 0 || stored.width <= 0) file.fail("a video of ", stored.width, "x", stored.height, " pixels");
  if (stored.height > kMostPixels / stored.width) {
    file.fail(stored.width, "x", stored.height, " is more than ", kMostPixels, " pixels");
  }
  open_codec(file);  // before the file is read to its end
  count_frames(file);
}

void VideoFile::Decoder::count_frames(Demuxer& file) {
  const PacketPtr packet(av_packet_alloc());
  int64_t end = INT64_MIN, frames = 0;
  bool timed = true;
  while (file.next(packet.get())) {
    if (packet->flags & AV_PKT_FLAG_DISCARD) continue;
    if (++frames > kMostVideoFrames) file.fail("more than ", kMostVideoFrames, " frames");
    const int64_t time = time_of(packet->pts, packet->dts);
    int64_t after = 0;
    timed = timed && time != AV_NOPTS_VALUE && !__builtin_add_overflow(time, packet->duration, &after);
    times.push_back(time);
    end = std::max(end, after);
  }
  if (frames == 0) file.fail("it has no frames");
  if (!timed) times.clear();
  std::sort(times.begin(), times.end());
  const double seconds = timed ? seconds_at(end, file.stream()) - seconds_at(times.front(), file.stream()) : 0.0;
  const double header_fps = av_q2d(file.stream().avg_frame_rate);
  metadata = {frames, seconds > 0 ? static_cast<double>(frames) / seconds : header_fps, std::max(seconds, 0.0)};
  if (!(metadata.fps > 0) || !std::isfinite(metadata.fps)) {
    file.fail(frames, " frames without times and without a rate");
  }
}

CodecPtr VideoFile::Decoder::open_codec(const Demuxer& file) const {
  const AVCodecParameters& parameters = *file.stream().codecpar;
  const AVCodec* decoder = avcodec_find_decoder(parameters.codec_id);
  if (!decoder) file.fail("its codec ", avcodec_get_name(parameters.codec_id), " has no decoder here");
  CodecPtr codec(avcodec_alloc_context3(decoder));
  GLMV_CHECK(codec, "no memory for a decoder");
  file.check(avcodec_parameters_to_context(codec.get(), &parameters), "its codec parameters are broken");
  codec->pkt_timebase = file.stream().time_base;
  codec->thread_count = thread_count();
  codec->max_pixels = kMostPixels;
  file.check(avcodec_open2(codec.get(), decoder, nullptr), "its decoder cannot be opened");
  return codec;
}

/// Is this the frame of that index? `seen`: decoded frames before it, which count where the file has no times.
bool VideoFile::Decoder::is_due(const AVFrame& frame, int64_t seen, int64_t index) const {
  if (times.empty()) return seen >= index;
  return time_of(frame.pts, frame.pkt_dts) >= times[static_cast<size_t>(index)];
}

bool video_files_are_read() { return true; }

VideoFile VideoFile::open(const std::string& path) { return VideoFile(std::make_unique<Decoder>(path)); }

VideoFile::VideoFile(std::unique_ptr<Decoder> decoder) : decoder_(std::move(decoder)) {}
VideoFile::VideoFile(VideoFile&&) noexcept = default;
VideoFile::~VideoFile() = default;

const VideoMetadata& VideoFile::metadata() const { return decoder_->metadata; }

Size VideoFile::size() const {
  const Size& s = decoder_->stored;
  return decoder_->quarters % 2 == 0 ? s : Size{s.width, s.height};
}

void VideoFile::read(const std::vector<int64_t>& indices, const std::function<void(const Image&)>& take) {
  Demuxer file(decoder_->path);
  const CodecPtr codec = decoder_->open_codec(file);
  const PacketPtr packet(av_packet_alloc());
  const FramePtr frame(av_frame_alloc());
  Converter convert;
  size_t done = 0;
  int64_t seen = 0;
  const auto deliver = [&] {
    if (!decoder_->is_due(*frame, seen++, indices[done])) return;
    if (frame->width != decoder_->stored.width || frame->height != decoder_->stored.height) {
      file.fail("frame ", indices[done], " is ", frame->width, 'x', frame->height, " pixels, the header says ",
                decoder_->stored.width, 'x', decoder_->stored.height);
    }
    const Image image = turned(convert(*frame, file), decoder_->quarters);
    const int64_t index = indices[done];
    for (; done < indices.size() && indices[done] == index; ++done) take(image);
  };
  for (bool more = true; more && done < indices.size();) {
    more = file.next(packet.get());
    const int sent = avcodec_send_packet(codec.get(), more ? packet.get() : nullptr);
    if (sent < 0) file.fail("broken before frame ", indices[done], ": ", reason(sent));
    while (done < indices.size()) {
      const int got = avcodec_receive_frame(codec.get(), frame.get());
      if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) break;
      if (got < 0) file.fail("broken before frame ", indices[done], ": ", reason(got));
      deliver();
    }
  }
  if (done < indices.size()) {
    file.fail("frame ", indices[done], " of ", decoder_->metadata.total_frames, " cannot be decoded (truncated?)");
  }
}

}  // namespace glmv
