// Where an answer ends by what it says: texts to stop before, found in a stream whatever its tokens are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"

namespace glmv {

/// Finds the stop string that is complete first; of those that end at the same byte the longest. What it finds does not
/// depend on how the bytes are cut into pieces.
class StopStrings {
 public:
  /// None of them may be empty.
  explicit StopStrings(std::vector<std::string> stops);

  /// Adds bytes. Returns those that no stop string can begin in any more; once one is found, the bytes before it.
  std::string push(std::string_view bytes);
  /// The bytes that were held back, when no more will come; none after a stop string.
  std::string finish();
  /// The stop string that was found, "" as long as there is none.
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_, found_;
};

/// Tokens -> text that may be shown: neither the beginning of a stop string nor a part of a character.
class TextStream {
 public:
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops)
      : tokenizer_(tokenizer), stops_(std::move(stops)) {}

  std::string push(int64_t id);  ///< the text that has become certain
  std::string finish();          ///< the rest, invalid bytes replaced by U+FFFD
  const std::string& stopped_by() const { return stops_.found(); }

 private:
  const Tokenizer& tokenizer_;
  StopStrings stops_;
  std::string bytes_;  ///< of a character that is not complete
};

}  // namespace glmv
