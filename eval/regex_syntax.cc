// Python pattern -> PCRE2 pattern. With Unicode properties on, \w, \d and \b of both are the same (compared over every
// code point); white space, the end of the text and the letter i without case are not.
#include "eval/regex.h"
#include "reference/core/error.h"

namespace glmv::py {
namespace {

/// What \s stands for, as the inside of a class.
constexpr std::string_view kSpaces =
    "\\x09-\\x0d\\x1c-\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
/// Python's lower-casing takes U+0130 and U+0131 for an i as well.
constexpr std::string_view kOtherI = "\\x{130}\\x{131}";

/// Inside of a class, from behind "[" to its "]". Moves `at` behind it.
std::string translate_class(std::string_view p, size_t& at, bool ignore_case) {
  std::string out = "[";
  bool has_i = false;
  if (at < p.size() && p[at] == '^') out += p[at++];
  for (bool first = true; at < p.size() && (p[at] != ']' || first); first = false) {
    if (p[at] == '\\') {
      GLMV_CHECK(at + 1 < p.size() && p[at + 1] != 'S', "class in ", p);
      out += p[at + 1] == 's' ? std::string(kSpaces) : std::string(p.substr(at, 2));
      at += 2;
      continue;
    }
    const bool range = at + 2 < p.size() && p[at + 1] == '-' && p[at + 2] != ']';
    const auto spans = [&](char c) { return range ? p[at] <= c && c <= p[at + 2] : p[at] == c; };
    has_i = has_i || spans('i') || spans('I');
    if (p[at] == '[') out += '\\';  // "[:" would begin a POSIX class
    out += p[at++];
    if (range) out.append(p.substr(at, 2)), at += 2;
  }
  GLMV_CHECK(at < p.size(), "class without an end in ", p);
  ++at;
  return out + std::string(has_i && ignore_case ? kOtherI : "") + "]";
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("()[]{}?*+-|^$\\.&~# \t\n\r\v\f").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string to_pcre2(std::string_view p, unsigned flags) {
  const bool ignore_case = (flags & kIgnoreCase) != 0;
  std::string out;
  for (size_t at = 0; at < p.size();) {
    if (p[at] == '\\') {
      GLMV_CHECK(at + 1 < p.size() && p[at + 1] != 'B', "\\B and a last backslash mean something else here: ", p);
      switch (p[at + 1]) {
        case 's': out += "[" + std::string(kSpaces) + "]"; break;
        case 'S': out += "[^" + std::string(kSpaces) + "]"; break;
        case 'Z': out += "\\z"; break;
        default: out += p.substr(at, 2);
      }
      at += 2;
    } else if (p[at] == '[') {
      out += translate_class(p, ++at, ignore_case);
    } else if (ignore_case && (p[at] == 'i' || p[at] == 'I')) {
      out += "[i" + std::string(kOtherI) + "]", ++at;
    } else {
      out += p[at++];
    }
  }
  return out;
}

}  // namespace glmv::py
