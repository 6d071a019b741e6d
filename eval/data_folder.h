// Where a data set may point to: names in its rows are somebody else's text, and what they name is sent to a model.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace glmv::eval {

/// The folder that a data set lies in. Both it and `root`, the folder that the user named, may be symbolic links. In a
/// Hugging Face cache (.../snapshots/REVISION) files are links into the blobs folder beside, which counts as inside.
class DataFolder {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a folder alone is its own root
  DataFolder(const std::string& folder, const std::string& root = "");
  const std::filesystem::path& path() const { return path_; }

  /// Error (exit code 3) naming `where` and the path: with its links followed it leads out of the folder.
  void check_inside(const std::filesystem::path& path, const std::string& where) const;

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> inside_;  ///< without links
};

/// Error (exit code 3) unless the file begins as a PNG, JPEG, WebP, GIF or BMP picture does; nothing else is sent as
/// one.
void check_picture_file(const std::string& path, const std::string& where);
/// The same for the containers of videos: MP4 and QuickTime, Matroska and WebM, AVI, MPEG, FLV, Ogg, ASF, GIF.
void check_video_file(const std::string& path, const std::string& where);

}  // namespace glmv::eval
