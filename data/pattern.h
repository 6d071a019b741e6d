// A regular expression from the command line, matched within limits: no pattern crashes or hangs the program.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace glmv {

/// Immutable after construction. Text and pattern are bytes; the syntax is PCRE2's.
class Pattern {
 public:
  /// `where` names the flag in messages ("--layers"). Error (exit code 2) for more than 4096 bytes and for what does
  /// not compile.
  static Pattern compile(const std::string& pattern, const std::string& where);

  /// Is there a match anywhere in the text? Error (exit code 2) if the search exceeds its limits.
  bool found_in(std::string_view text) const;

  /// Every match replaced; $1 .. $9 in `replacement` stand for what the brackets caught. Error (exit code 2) as above,
  /// and for a replacement that names brackets that are not there.
  std::string replaced_in(const std::string& text, const std::string& replacement) const;

 private:
  struct Code;
  [[noreturn]] void fail(std::string_view text, int error) const;
  std::string pattern_, where_;
  std::shared_ptr<const Code> code_;
};

}  // namespace glmv
