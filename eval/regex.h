// Regular expressions that mean what Python's `re` means on str, matched by PCRE2 within limits.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glmv::py {

/// re.IGNORECASE, re.DOTALL, re.MULTILINE
enum RegexFlags : unsigned { kNoFlags = 0, kIgnoreCase = 1, kDotAll = 2, kMultiline = 4 };

/// One match. It refers to the text that was searched, which has to outlive it. Offsets count bytes.
class Match {
 public:
  /// What group `i` caught; "" if it took no part. Group 0 is the whole match.
  std::string_view group(size_t i = 0) const;
  bool has(size_t i) const { return spans_.at(i).first != std::string_view::npos; }
  size_t start(size_t i = 0) const { return spans_.at(i).first; }
  size_t end(size_t i = 0) const { return spans_.at(i).second; }

 private:
  friend class Regex;
  std::string_view text_;
  std::vector<std::pair<size_t, size_t>> spans_;
};

/// Immutable after construction; safe to share between threads. Texts are well-formed UTF-8. Every search throws Error
/// (exit code 3) if it takes more steps or memory than an honest text can need.
class Regex {
 public:
  /// A pattern in Python's syntax; one of ours, so a pattern that does not compile is a failed check.
  explicit Regex(std::string_view pattern, unsigned flags = kNoFlags);

  std::optional<Match> search(std::string_view text, size_t from = 0) const;
  std::optional<Match> match(std::string_view text) const;  ///< at the beginning
  std::optional<Match> match_at(std::string_view text, size_t from) const;
  std::optional<Match> full_match(std::string_view text) const;
  std::vector<Match> all(std::string_view text) const;     ///< finditer
  std::optional<Match> last(std::string_view text) const;  ///< the last of finditer
  /// sub: every match replaced by a fixed text, or by what a function makes of it.
  std::string replace(std::string_view text, std::string_view with) const;
  std::string replace(std::string_view text, const std::function<std::string(const Match&)>& with) const;
  /// split, for patterns without groups.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Code;
  std::optional<Match> run(std::string_view text, size_t from, unsigned options) const;
  void each(std::string_view text, const std::function<void(const Match&)>& visit) const;
  std::string pattern_;
  std::shared_ptr<const Code> code_;
};

/// re.escape(text)
std::string escape(std::string_view text);

/// The same pattern in PCRE2's syntax: \s, \Z and the letters that Python counts as an i differ.
std::string to_pcre2(std::string_view pattern, unsigned flags);

}  // namespace glmv::py
