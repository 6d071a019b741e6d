// The page that `glmv tour -o` writes: every held-out picture with its question and answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace glmv::cli {

/// One held-out question with what Hugging Face answered and what we do.
struct Asked {
  std::string kind, question, gold, theirs, ours;
  std::vector<std::string> pictures;  ///< paths; the frames of a clip one after the other
  bool is_clip = false, thinking = false, same_tokens = false, right = false;
  int64_t prompt_tokens = 0, new_tokens = 0, patches = 0;
};

/// Writes index.html and copies of the pictures into a folder that exists.
void write_tour_page(const std::vector<Asked>& all, const std::string& folder);

}  // namespace glmv::cli
