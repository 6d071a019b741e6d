// The pre-tokenizer's regex: cuts text into pieces exactly as the tokenizers library does with the same pattern.
//
// The library's engine (Oniguruma) and ours (PCRE2) agree on most constructs but not on all, nor on the version of
// Unicode. A pattern is therefore translated construct by construct; one that is not known to mean the same in both
// is refused by name instead of being trusted.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// Immutable after construction; safe to share between threads.
class SplitRegex {
 public:
  /// `where` names file and field in messages. Error: exit code 2 for a construct that is not understood, 3 for a
  /// pattern that does not compile.
  static SplitRegex compile(std::string_view pattern, const std::string& where);

  /// Replaces `pieces`: every match is a piece and so is every stretch between matches; no piece is empty.
  /// `text` must be well-formed UTF-8. A pattern that runs away is an Error (exit code 3).
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  struct Code;
  std::string where_;
  std::shared_ptr<const Code> code_;
};

}  // namespace glmv
