// What a snapshot's generation_config.json says about choosing tokens. (Which ids end an answer: ModelConfig.)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/settings.h"

namespace glmv {

/// Values as the library's generate() takes them, with its defaults where the file says nothing: it samples only if
/// do_sample is true, and then among the 50 most likely tokens unless top_k says otherwise.
struct PublishedSampling {
  std::string path;
  bool do_sample = false;
  double temperature = 1, top_p = 1, min_p = 0;
  int64_t top_k = 50;
  double repetition_penalty = 1;
  std::optional<int64_t> max_new_tokens;
  std::vector<std::string> unsupported;  ///< "num_beams is 4": what changes the answer and is not implemented

  /// Does the most likely token always win? So it does when one token is left to draw from.
  bool is_greedy() const { return (!do_sample || top_k == 1) && repetition_penalty == 1; }
  /// These values as settings; temperature 0 and nothing else if do_sample is false.
  GenerationSettings settings(const GenerationSettings& defaults) const;
  /// "temperature 0.8, top_k 2, top_p 0.6", or "greedy".
  std::string text() const;
};

/// Nothing if the folder has no generation_config.json. Errors: exit code 3 for a file that is not JSON or has values
/// of another type; 2 for values that mean nothing.
std::optional<PublishedSampling> read_published_sampling(const std::string& dir);

}  // namespace glmv
