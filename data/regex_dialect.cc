#include "data/regex_dialect.h"

#include <array>
#include <optional>

#include "reference/core/error.h"

namespace glmv {
namespace {

// White_Space of Unicode. PCRE2's own \s also has U+180E, which Unicode took out of it.
constexpr std::string_view kSpace = R"(\x{09}-\x{0D}\x{85}\p{Z})";
constexpr std::string_view kNotSpaceInClass = R"(\S\x{180E})";

// Letters and numbers of Unicode 16 that PCRE2 10.42 (Unicode 14) does not know. Categories of assigned characters
// are stable, so the union stays right under a newer PCRE2. A test compares every code point with the library.
constexpr std::string_view kLetter =
    R"(\p{L}\x{1C89}-\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3}\x{10D4A}-\x{10D65})"
    R"(\x{10D6F}-\x{10D85}\x{10EC2}-\x{10EC4}\x{1123F}-\x{11240}\x{11380}-\x{11389}\x{1138B}\x{1138E})"
    R"(\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3}\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10})"
    R"(\x{11F12}-\x{11F33}\x{1342F}\x{13441}-\x{13446}\x{13460}-\x{143FA}\x{16100}-\x{1611D})"
    R"(\x{16D40}-\x{16D6C}\x{18CFF}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A}\x{1E030}-\x{1E06D})"
    R"(\x{1E4D0}-\x{1E4EB}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})";
constexpr std::string_view kNumber =
    R"(\p{N}\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
    R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})";

// Ignoring case can also join letters (ss = U+00DF, st = U+FB06), and the engines differ there. This group has no such
// pair; it is the only one that is let through.
constexpr std::string_view kContractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

constexpr std::array<std::string_view, 6> kGroups = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};

bool is_ascii_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string run() {
    while (at_ < pattern_.size()) outside_class();
    return std::move(out_);
  }

 private:
  bool next_is(std::string_view text) const { return pattern_.substr(at_, text.size()) == text; }

  [[noreturn]] void refuse(size_t length) const {
    usage_error(where_, ": the regex construct ", pattern_.substr(at_, length), " at byte ", at_,
                " is not one that is known to mean the same in Oniguruma and PCRE2");
  }

  void copy(size_t length) {
    out_ += pattern_.substr(at_, length);
    at_ += length;
  }

  void replace(size_t length, std::string_view before, std::string_view body, std::string_view after) {
    out_.append(before).append(body).append(after);
    at_ += length;
  }

  void outside_class() {
    const char c = pattern_[at_];
    if (c == '\\') return escape(false);
    if (c == '[') return character_class();
    if (c == '(') return group();
    if (c == '^' || c == '$') refuse(1);          // Oniguruma: of the line; PCRE2: of the text
    if (c == '{' && !digit_follows()) refuse(1);  // {,n} is a quantifier in one engine only
    if (next_is("}+")) refuse(2);                 // possessive in one engine, repeated in the other
    copy(1);
  }

  bool digit_follows() const {
    return at_ + 1 < pattern_.size() && pattern_[at_ + 1] >= '0' && pattern_[at_ + 1] <= '9';
  }

  void group() {
    if (next_is(kContractions)) return copy(kContractions.size());
    for (const std::string_view opening : kGroups) {
      if (next_is(opening)) return copy(opening.size());
    }
    if (next_is("(?") || next_is("(*")) refuse(4);
    copy(1);
  }

  void character_class() {
    copy(next_is("[^") ? 2 : 1);
    if (next_is("]")) refuse(1);  // a literal in one engine, the end in the other
    while (!next_is("]")) {
      if (at_ >= pattern_.size()) input_error(where_, ": the regex ends inside a character class");
      if (pattern_[at_] == '\\') {
        escape(true);
        continue;
      }
      if (next_is("[")) refuse(1);   // a nested class in one engine
      if (next_is("&&")) refuse(2);  // an intersection in one engine
      copy(1);
    }
    copy(1);
  }

  void escape(bool in_class) {
    if (at_ + 1 >= pattern_.size()) input_error(where_, ": the regex ends in a backslash");
    const char c = pattern_[at_ + 1];
    if (c == 's' || c == 'S') return space(c == 'S', in_class);
    if (c == 'p' || c == 'P') return property(in_class);
    const bool same_everywhere =
        c == 'r' || c == 'n' || c == 't' || c == 'f' || (c > ' ' && c <= '~' && !is_ascii_alnum(c));
    if (!same_everywhere) refuse(2);
    copy(2);
  }

  void space(bool negated, bool in_class) {
    if (in_class) return replace(2, "", negated ? kNotSpaceInClass : kSpace, "");
    replace(2, negated ? "[^" : "[", kSpace, "]");
  }

  void property(bool in_class) {
    const bool negated = pattern_[at_ + 1] == 'P';
    const std::string_view name = pattern_.substr(at_ + 2, 3);
    if ((name != "{L}" && name != "{N}") || (negated && in_class)) refuse(5);
    const std::string_view body = name == "{L}" ? kLetter : kNumber;
    if (in_class) return replace(5, "", body, "");
    replace(5, negated ? "[^" : "[", body, "]");
  }

  std::string_view pattern_;
  const std::string& where_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string translate_regex(std::string_view pattern, const std::string& where) {
  return Translator(pattern, where).run();
}

}  // namespace glmv
