#include "eval/media.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "data/clip.h"
#include "data/file.h"
#include "data/json_node.h"
#include "data/video.h"
#include "eval/python_literal.h"
#include "eval/table.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

constexpr size_t kMostIndexCharacters = 64;  // a longer cell is a picture: the toolkit's own rule

Medium inline_picture(std::string_view base64, const std::string& name) {
  Medium m;
  m.base64 = base64;
  m.name = name;
  return m;
}

/// The pictures of a folder, in the order of their names.
std::vector<std::string> files_in(const fs::path& folder, const DataFolder& data, const std::string& where) {
  std::vector<std::string> files;
  data.check_inside(folder, where);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with('.')) files.push_back(entry.path().string());
  }
  if (files.empty()) input_error(where, ": ", folder.string(), " holds no pictures");
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    data.check_inside(file, where);
    check_picture_file(file, where);
  }
  return files;
}

Medium medium_at(const fs::path& path, const std::string& as, const DataFolder& data, const std::string& where) {
  Medium m;
  m.path = m.name = path.string();
  if (as == "video") {
    // Frames beside the file stand in for it where it cannot be decoded.
    const fs::path frames = fs::path(path).replace_extension();
    const bool is_folder = fs::is_directory(path);
    m.kind =
        is_folder || (!fs::exists(path) && fs::is_directory(frames)) ? Medium::Kind::frames : Medium::Kind::video_file;
    if (m.kind == Medium::Kind::frames) m.frames = files_in(is_folder ? path : frames, data, where);
    if (m.kind == Medium::Kind::frames) return m;
  }
  data.check_inside(path, where);
  std::error_code error;
  if (!fs::exists(path, error))
    input_error(where, ": ", path.string(), ": no such ", as == "video" ? "clip" : "picture");
  as == "video" ? check_video_file(m.path, where) : check_picture_file(m.path, where);
  return m;
}

/// Lists of base64 texts: the slices between the quotes, since base64 holds neither quotes nor escapes.
std::vector<Medium> listed_pictures(std::string_view cell, const std::string& where) {
  std::vector<Medium> out;
  for (size_t at = cell.find_first_of("'\""); at != std::string_view::npos; at = cell.find_first_of("'\"", at + 1)) {
    const size_t end = cell.find(cell[at], at + 1);
    if (end == std::string_view::npos) input_error(where, ": a list of pictures with an open quote");
    out.push_back(inline_picture(cell.substr(at + 1, end - at - 1), concat(where, '[', out.size(), ']')));
    at = end;
  }
  if (out.empty()) input_error(where, ": a list without pictures");
  return out;
}

std::vector<Medium> base64_cell(std::string_view raw, const std::string& where,
                                const std::function<std::string_view(const std::string&)>& row_cell) {
  const std::string_view cell = cell_slice(raw);
  if (cell.starts_with('[')) return listed_pictures(cell, where);
  if (cell.size() > kMostIndexCharacters) return {inline_picture(cell, where)};
  const std::string_view other = cell_slice(row_cell(std::string(cell)));
  if (other.size() <= kMostIndexCharacters)
    input_error(where, " is \"", cell, "\", and the row of that index has no picture");
  if (other.starts_with('[')) return listed_pictures(other, where);
  return {inline_picture(other, where)};
}

/// {"type": "image", "path"} and {"type": "video", "frames", "fps", "frames_indices"}.
Medium medium_part(const JsonNode& part, const fs::path& folder, const DataFolder& data) {
  const std::string type = part.at("type").text();
  if (type == "image") return medium_at(folder / part.at("path").text(), "path", data, part.where);
  if (type != "video") part.at("type").refuse("image or video");
  Medium m;
  m.kind = Medium::Kind::frames;
  m.name = part.where;
  for (const JsonNode& frame : part.at("frames").list())
    m.frames.push_back(medium_at(folder / frame.text(), "path", data, frame.where).path);
  const double fps = part.at("fps").number();
  if (!(fps > 0)) part.at("fps").refuse("a positive number");
  for (const JsonNode& index : part.at("frames_indices").list()) m.seconds.push_back(index.number() / fps);
  if (m.frames.empty() || m.seconds.size() != m.frames.size()) part.at("frames_indices").refuse("one index per frame");
  return m;
}

std::vector<Medium> path_cell(const MediaField& f, const Json& cell, const DataFolder& data, const std::string& where) {
  const fs::path folder = data.path() / f.folder;
  std::vector<std::string> paths;
  if (cell.is_array()) {
    for (const Json& one : cell) paths.push_back(JsonNode{one, where}.text());
  } else if (const auto literal = parse_python_literal(text_of(cell)); literal && literal->is_array()) {
    for (const Json& one : *literal) paths.push_back(JsonNode{one, where}.text());
  } else {
    paths.push_back(text_of(cell));
  }
  std::vector<Medium> out;
  for (std::string& path : paths) {
    path += f.suffix;
    if (f.as != "pages") {
      out.push_back(medium_at(folder / path, f.as, data, where));
      continue;
    }
    const fs::path pages = folder / fs::path(path).replace_extension();
    if (!fs::is_directory(pages)) input_error(where, ": ", pages.string(), ": no such folder of pages");
    for (const std::string& page : files_in(pages, data, where)) out.push_back(medium_at(page, "path", data, where));
  }
  return out;
}

}  // namespace

std::vector<Medium> media_of_cell(const MediaField& f, const Json& cell, std::string_view raw, const DataFolder& folder,
                                  const std::string& where,
                                  const std::function<std::string_view(const std::string&)>& row_cell) {
  if (f.as == "base64") return base64_cell(raw, where, row_cell);
  if (f.as != "parts") return path_cell(f, cell, folder, where);
  std::vector<Medium> out;
  for (const JsonNode& part : JsonNode{cell, where}.list())
    out.push_back(medium_part(part, folder.path() / f.folder, folder));
  return out;
}

std::string picture_bytes(const Medium& m) {
  return m.base64.empty() ? read_file(m.path) : base64_decode(m.base64, m.name);
}

Image read_picture(const Medium& m) {
  const std::string bytes = picture_bytes(m);
  return decode_image(bytes.data(), bytes.size(), m.name);
}

std::string checked_picture(const Medium& m) {
  std::string bytes = picture_bytes(m);
  decode_image(bytes.data(), bytes.size(), m.name);
  return bytes;
}

std::string checked_frame(const std::string& path) {
  std::string bytes = read_file(path);
  decode_image(bytes.data(), bytes.size(), path);
  return bytes;
}

std::string checked_video(const Medium& m) {
  if (video_files_are_read()) VideoFile::open(m.path);
  return read_file(m.path);
}

Clip read_clip(const Medium& m, const ImageConfig& config, double frames_per_second) {
  if (m.kind == Medium::Kind::video_file) return glmv::read_clip(m.path, config, std::nullopt);
  Clip clip;
  clip.name = m.name;
  clip.seconds = m.seconds;
  for (const std::string& frame : m.frames) {
    clip.frames.push_back(read_image(frame));
    if (m.seconds.empty()) clip.seconds.push_back(static_cast<double>(clip.seconds.size()) / frames_per_second);
  }
  return clip;
}

}  // namespace glmv::eval
