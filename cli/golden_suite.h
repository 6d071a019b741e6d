// The prompts that a golden pack is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace glmv::cli {

struct SuitePrompt {
  std::string id, what, text;
  std::vector<std::string> images, videos;  ///< below the pack's folder
  std::optional<int64_t> max_pixels;        ///< a limit of its own, as --max-pixels takes it
};

/// Text, one picture, two pictures of different shape, a tiny one, one above the limit of pixels, a clip. Draws the
/// media into `folder`/media.
std::vector<SuitePrompt> core_suite(const std::string& folder);

}  // namespace glmv::cli
