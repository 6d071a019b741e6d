// Decoded frames as RGB, through libswscale.
#pragma once

#include "data/image.h"
#include "data/video_demuxer.h"

extern "C" {
#include <libswscale/swscale.h>
}

namespace glmv {

struct FreeScaler {
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};
using ScalerPtr = std::unique_ptr<SwsContext, FreeScaler>;

/// With the filter that torchcodec asks for: it shows where chroma is scaled in odd sizes and in formats without a
/// direct conversion. Every frame may have its own format.
class Converter {
 public:
  Image operator()(const AVFrame& frame, const Demuxer& file);

 private:
  void set_colours(const AVFrame& frame);

  ScalerPtr scaler_;
  FramePtr rgb_;
};

}  // namespace glmv
