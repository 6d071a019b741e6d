#include "tests/simt/find_mistake.h"

#include <filesystem>
#include <fstream>

#include "reference/core/error.h"

GLMV_DECLARE_MISTAKES(cuda_emulated, sync_mistakes)
GLMV_DECLARE_MISTAKES(cuda_emulated, memory_mistakes)
GLMV_DECLARE_MISTAKES(cuda_emulated, race_mistakes)
GLMV_DECLARE_MISTAKES(cuda_emulated, sm90_mistakes)
GLMV_DECLARE_MISTAKES(hip_emulated, wave_mistakes)

namespace glmv::simt {

const Mistake& find_mistake(const std::string& name) {
  const struct {
    const Mistake* list;
    size_t count;
  } lists[] = {{cuda_emulated::sync_mistakes, cuda_emulated::sync_mistakes_count},
               {cuda_emulated::memory_mistakes, cuda_emulated::memory_mistakes_count},
               {cuda_emulated::race_mistakes, cuda_emulated::race_mistakes_count},
               {cuda_emulated::sm90_mistakes, cuda_emulated::sm90_mistakes_count},
               {hip_emulated::wave_mistakes, hip_emulated::wave_mistakes_count}};
  for (const auto& l : lists) {
    for (size_t i = 0; i < l.count; ++i) {
      if (name == l.list[i].name) return l.list[i];
    }
  }
  usage_error("no deliberate mistake is called ", name);
}

namespace {

// The line of a kernel file that has `text`; at its end, if that is asked for.
std::string line_with(const std::string& text, bool at_end) {
  const std::string folder = "tests/simt/kernels/";
  for (const auto& entry : std::filesystem::directory_iterator(GLMV_SOURCE_DIR "/" + folder)) {
    std::ifstream in(entry.path());
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      const auto at = line.rfind(text);
      if (at == std::string::npos || (at_end && at + text.size() != line.size())) continue;
      return concat(folder, entry.path().filename().string(), ':', number);
    }
  }
  usage_error("no kernel file has a line with ", text);
}

}  // namespace

std::string line_of(const std::string& mark) { return line_with("// @" + mark, true); }

std::string launch_line_of(const std::string& name) { return line_with("GLMV_MISTAKE(" + name + ",", false); }

}  // namespace glmv::simt
