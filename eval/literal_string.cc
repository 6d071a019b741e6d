#include "eval/literal_string.h"

#include <utf8proc.h>

#include <cctype>
#include <cstdio>

#include "data/utf8.h"
#include "eval/text.h"

namespace glmv::py {
namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF, kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

/// `digits` hexadecimal digits at the front as a code point.
std::optional<char32_t> take_hex(std::string_view& s, size_t digits) {
  if (s.size() < digits) return std::nullopt;
  for (const char c : s.substr(0, digits)) {
    if (!is_hex(c)) return std::nullopt;
  }
  const auto value = static_cast<char32_t>(std::stoul(std::string(s.substr(0, digits)), nullptr, 16));
  s.remove_prefix(digits);
  const bool scalar = value <= kLastCodePoint && (value < kFirstSurrogate || value > kLastSurrogate);
  return scalar ? std::optional(value) : std::nullopt;
}

char32_t take_octal(std::string_view& s) {
  char32_t value = 0;
  for (int n = 0; n < 3 && !s.empty() && s[0] >= '0' && s[0] <= '7'; ++n, s.remove_prefix(1))
    value = value * 8 + static_cast<char32_t>(s[0] - '0');
  return value;
}

/// What stands behind a backslash, which is taken already. False for an escape that Python refuses.
bool take_escape(std::string_view& s, std::string& out) {
  constexpr std::string_view kNames = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
  if (s.empty()) return false;
  const char c = s[0];
  if (c >= '0' && c <= '7') {
    utf8_append(take_octal(s), out);
    return true;
  }
  s.remove_prefix(1);
  if (c == '\n') return true;
  if (const size_t i = kNames.find(c); i != std::string_view::npos) {
    out += kMeanings[i];
    return true;
  }
  if (c == 'x' || c == 'u' || c == 'U') {
    const std::optional<char32_t> value = take_hex(s, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (value) utf8_append(*value, out);
    return value.has_value();
  }
  if (c == 'N') return false;  // names of characters: not understood
  out += '\\';                 // an escape that is none stays as it is
  out += c;
  return true;
}

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
  }
}

}  // namespace

std::optional<std::string> take_string(std::string_view& source, bool& is_string) {
  size_t at = 0;
  bool raw = false;
  if (at < source.size() && contains("rRuU", source.substr(at, 1))) raw = source[at] == 'r' || source[at] == 'R', ++at;
  is_string = at < source.size() && (source[at] == '\'' || source[at] == '"');
  if (!is_string) return std::nullopt;
  const bool three = source.substr(at).starts_with(std::string(3, source[at]));
  const std::string end(three ? 3 : 1, source[at]);
  std::string_view s = source.substr(at + end.size());
  std::string out;
  while (!s.starts_with(end)) {
    if (s.empty() || ((s[0] == '\n' || s[0] == '\r') && !three)) return std::nullopt;
    const char c = s[0];
    s.remove_prefix(1);
    if (c != '\\') {
      out += c;
    } else if (raw) {
      if (s.empty()) return std::nullopt;
      out += c, out += s[0], s.remove_prefix(1);
    } else if (!take_escape(s, out)) {
      return std::nullopt;
    }
  }
  source = s.substr(end.size());
  return out;
}

std::string quoted(std::string_view text) {
  const char quote = contains(text, "'") && !contains(text, "\"") ? '"' : '\'';
  std::string out(1, quote);
  for (const char32_t c : decode(text)) {
    if (c == U'\\' || c == static_cast<char32_t>(quote)) {
      out += '\\', out += static_cast<char>(c);
    } else if (c == U'\n' || c == U'\r' || c == U'\t') {
      out += c == U'\n' ? "\\n" : c == U'\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      utf8_append(c, out);
    } else {
      char hex[16];
      std::snprintf(hex, sizeof hex,
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
      out += hex;
    }
  }
  return out + quote;
}

}  // namespace glmv::py
