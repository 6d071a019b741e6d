#include "data/video_convert.h"

#include <cstring>

namespace glmv {

Image Converter::operator()(const AVFrame& frame, const Demuxer& file) {
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

/// The frame's own matrix (BT.601, BT.709 ...) instead of swscale's default; ranges stay as the format implies.
void Converter::set_colours(const AVFrame& frame) {
  int *from = nullptr, *to = nullptr, from_range = 0, to_range = 0, brightness = 0, contrast = 0, saturation = 0;
  if (sws_getColorspaceDetails(scaler_.get(), &from, &from_range, &to, &to_range, &brightness, &contrast, &saturation) <
      0) {
    return;  // RGB to RGB
  }
  const int* matrix = sws_getCoefficients(frame.colorspace);
  sws_setColorspaceDetails(scaler_.get(), matrix, from_range, matrix, to_range, brightness, contrast, saturation);
}

}  // namespace glmv
