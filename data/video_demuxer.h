// A video file as packets, through libavformat.
#pragma once

#include <memory>
#include <string>

#include "reference/core/error.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace glmv {

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

/// What an error code of FFmpeg means.
std::string reason(int error);

/// What the container asks a player to do with each frame, in quarter turns clockwise.
int quarter_turns(const AVStream& stream);

/// One pass over the packets of a file's default video stream. Errors (exit code 3) name the file.
class Demuxer {
 public:
  explicit Demuxer(const std::string& path);
  ~Demuxer();
  Demuxer(const Demuxer&) = delete;
  Demuxer& operator=(const Demuxer&) = delete;

  const AVStream& stream() const { return *stream_; }

  /// The next packet of the stream; false at the end.
  bool next(AVPacket* packet);

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    input_error(path_, ": ", parts...);
  }
  void check(int error, const char* what) const {
    if (error < 0) fail(what, ": ", reason(error));
  }

 private:
  /// Demuxers that give up return numbers of the system (no memory, busy) that say nothing of the file.
  void check_opened(int error) const;

  class Bytes;

  const std::string path_;
  const std::unique_ptr<Bytes> bytes_;  // outlives the context that reads through it
  FormatPtr format_;
  AVStream* stream_ = nullptr;
};

}  // namespace glmv
