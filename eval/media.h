// Pictures and clips of samples, left where they are until they are needed.
#pragma once

#include "eval/bytes.h"
#include "eval/data_folder.h"
#include "eval/manifest.h"
#include "reference/model/prompt.h"

namespace glmv::eval {

struct Medium {
  enum class Kind { image, frames, video_file };
  Kind kind = Kind::image;
  std::string path;                 ///< of a picture, a folder of frames or a video file
  std::string_view base64;          ///< a picture inside a table, instead of a path
  std::vector<std::string> frames;  ///< files of a clip's frames, in order
  std::vector<double> seconds;      ///< of each frame
  std::string name;                 ///< for messages
};

/// The media of a row's cell. `row_cell` finds the cell of the row that a short "index" cell names.
/// Error (exit code 3): a file that is not there, is no picture or video or lies outside of the data folder; a cell
/// that is neither base64, nor a list of it, nor an index.
std::vector<Medium> media_of_cell(const MediaField& field, const Json& cell, std::string_view raw,
                                  const DataFolder& folder, const std::string& where,
                                  const std::function<std::string_view(const std::string&)>& row_cell);

/// The picture's bytes as the data set has them.
std::string picture_bytes(const Medium& medium);
Image read_picture(const Medium& medium);
/// The bytes of a picture, a frame of a clip or a whole video file as they are sent to a server. Error (exit code 3)
/// for what cannot be decoded: a model would answer to nothing.
std::string checked_picture(const Medium& medium);
std::string checked_frame(const std::string& path);
std::string checked_video(const Medium& medium);

/// A clip's frames: of a folder all of them, taken at `frames_per_second`; of a video file those that the model's rules
/// (data/clip.h) choose. Error (exit code 3): a file that is no video.
Clip read_clip(const Medium& medium, const ImageConfig& config, double frames_per_second);

}  // namespace glmv::eval
