#include "eval/thumbnail.h"

#include <algorithm>
#include <filesystem>

#include "data/checkpoint.h"
#include "data/file.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

constexpr int64_t kSide = 128;

std::string path_of(const std::string& run, const std::string& task, const std::string& sample) {
  return concat(run, "/thumbs/", task, '-', sha256_hex(sample.data(), sample.size()).substr(0, 16), ".png");
}

Image picture_of(const Medium& m) {
  if (m.kind == Medium::Kind::frames) return read_image(m.frames[m.frames.size() / 2]);
  return read_picture(m);
}

}  // namespace

std::string kept_thumbnail(const std::string& run, const std::string& task, const std::string& sample) {
  const std::string path = path_of(run, task, sample);
  return fs::exists(path) ? read_file(path) : "";
}

void keep_thumbnail(const std::string& run, const std::string& task, const std::string& sample, const Medium& medium) {
  if (medium.kind == Medium::Kind::video_file) return;
  Image image;
  try {
    image = picture_of(medium);
  } catch (const Error&) {
    return;
  }
  const int64_t longest = std::max(image.width, image.height);
  if (longest > kSide)
    image = resize_torchvision(image, {std::max<int64_t>(1, image.height * kSide / longest),
                                       std::max<int64_t>(1, image.width * kSide / longest)});
  fs::create_directories(run + "/thumbs");
  const std::string path = path_of(run, task, sample);
  write_png(path + ".part", image);
  fs::rename(path + ".part", path);  // a torn picture would be shown for ever
}

}  // namespace glmv::eval
