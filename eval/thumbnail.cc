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

/// `number` from 1.
std::string path_of(const std::string& run, const std::string& task, const std::string& sample, size_t number) {
  const std::string name = sha256_hex(sample.data(), sample.size()).substr(0, 16);
  return concat(run, "/thumbs/", task, '-', name, '-', number, ".png");
}

Image picture_of(const Medium& m) {
  if (m.kind == Medium::Kind::frames) return read_image(m.frames[m.frames.size() / 2]);
  return read_picture(m);
}

void keep_thumbnail(const std::string& path, const Medium& medium) {
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
  write_png(path + ".part", image);
  fs::rename(path + ".part", path);  // a torn picture would be shown for ever
}

}  // namespace

std::vector<std::string> kept_thumbnails(const std::string& run, const std::string& task, const std::string& sample) {
  std::vector<std::string> out;
  for (size_t i = 1; i <= kMostPictures; ++i) {
    const std::string path = path_of(run, task, sample, i);
    if (fs::exists(path)) out.push_back(read_file(path));
  }
  return out;
}

void keep_thumbnails(const std::string& run, const std::string& task, const std::string& sample,
                     const std::vector<Medium>& media) {
  fs::create_directories(run + "/thumbs");
  for (size_t i = 0; i < std::min(media.size(), kMostPictures); ++i)
    keep_thumbnail(path_of(run, task, sample, i + 1), media[i]);
}

}  // namespace glmv::eval
