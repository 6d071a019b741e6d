#include "eval/text.h"

#include <utf8proc.h>

#include <algorithm>

#include "data/utf8.h"

namespace glmv::py {
namespace {

/// Bytes of the character at the front of a non-empty string; a byte that begins none counts as one.
size_t width(std::string_view text) { return utf8_step(text).length; }

/// Bytes of the character at the end of a non-empty string.
size_t width_at_back(std::string_view text) {
  size_t n = 1;
  while (n < text.size() && n < 4 && (static_cast<unsigned char>(text[text.size() - n]) & 0xC0) == 0x80) ++n;
  return n;
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

template <class Parts>
std::string joined(const Parts& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

}  // namespace

std::u32string decode(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    out += step.kind == Utf8Step::Kind::valid ? utf8_code_point(text, step.length) : char32_t{0xFFFD};
    text.remove_prefix(step.length);
  }
  return out;
}

std::string encode(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) utf8_append(c, out);
  return out;
}

size_t length(std::string_view text) {
  size_t n = 0;
  for (const char byte : text) n += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  return n;
}

std::string_view head(std::string_view text, size_t n) { return text.substr(0, text.size() - tail(text, n).size()); }

std::string_view tail(std::string_view text, size_t n) {
  for (; n > 0 && !text.empty(); --n) text.remove_prefix(width(text));
  return text;
}

std::string_view strip(std::string_view text) { return glmv::strip(text); }

std::string_view strip(std::string_view text, std::string_view characters) {
  return lstrip(rstrip(text, characters), characters);
}

std::string_view lstrip(std::string_view text, std::string_view characters) {
  while (!text.empty()) {
    const size_t n = width(text);
    if (!contains(characters, text.substr(0, n))) break;
    text.remove_prefix(n);
  }
  return text;
}

std::string_view rstrip(std::string_view text, std::string_view characters) {
  while (!text.empty()) {
    const size_t n = width_at_back(text);
    if (!contains(characters, text.substr(text.size() - n))) break;
    text.remove_suffix(n);
  }
  return text;
}

Views split(std::string_view text) {
  Views parts;
  size_t begin = 0, at = 0;
  const auto end_part = [&](size_t end) {
    if (begin < end) parts.push_back(text.substr(begin, end - begin));
  };
  while (at < text.size()) {
    const size_t n = width(text.substr(at));
    if (is_space(utf8_code_point(text.substr(at), n))) {
      end_part(at);
      begin = at + n;
    }
    at += n;
  }
  end_part(text.size());
  return parts;
}

Views split(std::string_view text, std::string_view separator) {
  Views parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

std::string_view after_last(std::string_view text, std::string_view separator) {
  const size_t at = text.rfind(separator);
  return at == std::string_view::npos ? text : text.substr(at + separator.size());
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, size_t most) {
  std::string out;
  for (; most > 0; --most) {
    const size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    out.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return out.append(text);
}

std::string join(const Views& parts, std::string_view separator) { return joined(parts, separator); }
std::string join(const Strings& parts, std::string_view separator) { return joined(parts, separator); }

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_alpha(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

}  // namespace glmv::py
