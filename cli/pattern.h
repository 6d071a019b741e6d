// A regular expression from the command line, matched within limits: no pattern crashes or hangs the program.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace glmv::cli {

/// Immutable after construction. Text and pattern are bytes; the syntax is PCRE2's.
class Pattern {
 public:
  /// `where` names the flag in messages ("--layers"). Error (exit code 2) for more than 4096 bytes and for what does
  /// not compile.
  static Pattern compile(const std::string& pattern, const std::string& where);

  /// Is there a match anywhere in the text? Error (exit code 2) if the search exceeds its limits.
  bool found_in(std::string_view text) const;

 private:
  struct Code;
  std::string pattern_, where_;
  std::shared_ptr<const Code> code_;
};

}  // namespace glmv::cli
