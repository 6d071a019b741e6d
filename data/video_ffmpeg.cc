// Video files through libavformat, libavcodec and libswscale.
//
// A file is read twice, as torchcodec's exact mode does: once packet by packet, which gives the number of frames and
// their times, and once through the decoder. Frame i is the first decoded one whose time is not before the i-th
// smallest time of the packets. Packets that the container marks as not to be shown (an edit list) do not count.
#include <algorithm>
#include <cmath>
#include <optional>

#include "data/exif.h"
#include "data/video.h"
#include "data/video_convert.h"
#include "data/video_demuxer.h"
#include "reference/core/parallel.h"

namespace glmv {
namespace {

/// Nothing in a sound file needs a block of memory this large; a lying header asks for it.
constexpr size_t kMostBlockBytes = size_t{1} << 30;

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
  int64_t missing = 0;         ///< frames that the container announces and the file does not hold

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
  int64_t end = INT64_MIN, frames = 0, packets = 0;
  bool timed = true;
  while (file.next(packet.get())) {
    ++packets;
    if (packet->flags & AV_PKT_FLAG_DISCARD) continue;
    if (++frames > kMostVideoFrames) file.fail("more than ", kMostVideoFrames, " frames");
    const int64_t time = time_of(packet->pts, packet->dts);
    int64_t after = 0;
    timed = timed && time != AV_NOPTS_VALUE && !__builtin_add_overflow(time, packet->duration, &after);
    times.push_back(time);
    end = std::max(end, after);
  }
  if (frames == 0) file.fail("it has no frames");
  missing = std::max<int64_t>(0, file.stream().nb_frames - packets);
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

int64_t VideoFile::missing_frames() const { return decoder_->missing; }

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
