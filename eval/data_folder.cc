#include "eval/data_folder.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "data/file.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

/// Without links and "..": what is not there yet counts as a plain name.
fs::path real_path(const fs::path& path) {
  std::error_code error;
  fs::path out = fs::weakly_canonical(path, error);
  return error ? fs::path() : out;
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

/// CACHE/datasets--org--name/blobs for a folder in CACHE/datasets--org--name/snapshots; empty for any other.
fs::path blobs_of(const fs::path& folder) {
  for (fs::path at = folder; at.has_relative_path(); at = at.parent_path()) {
    const std::string repository = at.parent_path().filename().string();
    if (at.filename() == "snapshots" && (repository.starts_with("datasets--") || repository.starts_with("models--")))
      return at.parent_path() / "blobs";
  }
  return {};
}

InputFile open_medium(const std::string& path, const std::string& where) {
  try {
    return open_input(path);
  } catch (const Error& e) {
    throw Error(e.code(), concat(where, ": ", e.what()));
  }
}

/// As many bytes as the checks below look at.
std::string beginning(const std::string& path, const std::string& where) {
  const InputFile file = open_medium(path, where);
  constexpr size_t kBytes = 192;
  std::string out(kBytes, '\0');
  const ssize_t got = ::pread(file.descriptor.get(), out.data(), out.size(), 0);
  out.resize(static_cast<size_t>(std::max<ssize_t>(0, got)));
  return out;
}

bool begins_as_picture(std::string_view b) {
  return b.starts_with("\x89PNG\r\n\x1a\n") || b.starts_with("\xFF\xD8\xFF") || b.starts_with("GIF8") ||
         b.starts_with("BM") || (b.starts_with("RIFF") && b.substr(8).starts_with("WEBP"));
}

bool begins_as_video(std::string_view b) {
  const std::string_view box = b.substr(std::min<size_t>(4, b.size())).substr(0, 4);  // of MP4 and QuickTime
  for (const std::string_view known : {"ftyp", "moov", "mdat", "wide", "free", "skip"}) {
    if (box == known) return true;
  }
  for (const std::string_view known : {"\x1A\x45\xDF\xA3", "FLV", "OggS", "\x30\x26\xB2\x75", "GIF8"}) {
    if (b.starts_with(known)) return true;
  }
  const bool mpeg =
      b.starts_with(std::string_view("\0\0\1\xBA", 4)) || b.starts_with(std::string_view("\0\0\1\xB3", 4));
  constexpr size_t kPacket = 188;  // of an MPEG transport stream; each begins with the same byte
  const bool transport = b.size() > kPacket && b[0] == '\x47' && b[kPacket] == '\x47';
  return mpeg || transport || (b.starts_with("RIFF") && b.substr(8).starts_with("AVI "));
}

void refuse(const std::string& path, const std::string& bytes, const std::string& where, const char* kind) {
  input_error(where, ": ", path, bytes.empty() ? " is empty, not " : " is not ", kind, "; it is not sent");
}

}  // namespace

DataFolder::DataFolder(const std::string& folder, const std::string& root) : path_(folder) {
  for (const std::string& one : {folder, root}) {
    if (one.empty()) continue;
    inside_.push_back(real_path(one));
    if (const fs::path blobs = blobs_of(inside_.back()); !blobs.empty()) inside_.push_back(blobs);
  }
}

void DataFolder::check_inside(const fs::path& path, const std::string& where) const {
  const fs::path real = real_path(path);
  const bool inside = std::any_of(inside_.begin(), inside_.end(), [&](const fs::path& f) { return lies_in(real, f); });
  if (inside && !real.empty()) return;
  input_error(where, ": ", path.string(), " leads to ", real.empty() ? "nowhere" : real.string(),
              ", outside of the data folder ", path_.string(), "; it is not read");
}

void check_picture_file(const std::string& path, const std::string& where) {
  const std::string bytes = beginning(path, where);
  if (!begins_as_picture(bytes)) refuse(path, bytes, where, "a PNG, JPEG, WebP, GIF or BMP picture");
}

void check_video_file(const std::string& path, const std::string& where) {
  const std::string bytes = beginning(path, where);
  if (!begins_as_video(bytes)) refuse(path, bytes, where, "a video in a container that is known");
}

}  // namespace glmv::eval
