#include "tests/cuda/launch_sites.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "reference/core/error.h"
#include "simt/engine.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;

/// Lines by file, "cuda/add.cu": {21}.
using Lines = std::map<std::string, std::set<int>>;

/// The last line of each launch that was met: a macro of several lines has the number of its first or last, as the
/// compiler likes.
Lines& met() {
  static Lines lines;
  return lines;
}

/// "cuda/attention.cu" of a path that the compiler was given, absolute or not.
std::string below_source_dir(const std::string& path) {
  for (const char* folder : {"cuda/", "gpu/"}) {
    if (const size_t at = path.rfind(folder); at != std::string::npos) return path.substr(at);
  }
  return path;
}

void note(const simt::LaunchConfig& config) { met()[below_source_dir(config.place.file)].insert(config.place.line); }

/// Lines where a launch is written; the macros that make launches are no launches.
std::set<int> launches_of(const fs::path& source) {
  std::set<int> lines;
  std::ifstream in(source);
  bool continues = false, defines = false;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!continues) defines = line.rfind("#define", 0) == 0;
    continues = !line.empty() && line.back() == '\\';
    const bool launch = line.find("GLMV_LAUNCH") != std::string::npos || line.find("gpu_launch(") != std::string::npos;
    if (launch && !defines && line.find("//") == std::string::npos) lines.insert(number);
  }
  return lines;
}

Lines written_lines() {
  Lines all;
  for (const char* folder : {"cuda", "cuda/wgmma", "gpu", "gpu/naive"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(GLMV_SOURCE_DIR) / folder)) {
      const fs::path extension = entry.path().extension();
      if (extension == ".cu" || extension == ".h")
        all[concat(folder, '/', entry.path().filename().string())] = launches_of(entry.path());
    }
  }
  return all;
}

/// What was met at or after the site's line, and before the next one, was launched there.
bool was_met(const std::string& file, const std::set<int>& sites, std::set<int>::const_iterator site) {
  const auto found = met().find(file);
  if (found == met().end()) return false;
  const auto at = found->second.lower_bound(*site), next = std::next(site);
  return at != found->second.end() && (next == sites.end() || *at < *next);
}

}  // namespace

LaunchSites::LaunchSites() {
  met().clear();
  simt::settings().on_launch = note;
}

LaunchSites::~LaunchSites() { simt::settings().on_launch = nullptr; }

std::vector<std::string> LaunchSites::written() {
  std::vector<std::string> names;
  for (const auto& [file, lines] : written_lines()) {
    for (const int line : lines) names.push_back(concat(file, ':', line));
  }
  return names;
}

std::vector<std::string> LaunchSites::missed() const {
  std::vector<std::string> names;
  for (const auto& [file, lines] : written_lines()) {
    for (auto site = lines.begin(); site != lines.end(); ++site) {
      if (!was_met(file, lines, site)) names.push_back(concat(file, ':', *site));
    }
  }
  return names;
}

}  // namespace glmv
