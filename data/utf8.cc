#include "data/utf8.h"

namespace glmv {
namespace {

unsigned byte_at(std::string_view s, size_t i) { return static_cast<unsigned char>(s[i]); }

/// Continuation bytes a lead byte asks for, and the range its first one must lie in (Unicode, table 3-7).
struct Lead {
  size_t continuations;  ///< 0: not a lead byte
  unsigned low, high;
};

Lead lead_of(unsigned b) {
  if (b < 0xC2 || b > 0xF4) return {0, 0, 0};
  if (b < 0xE0) return {1, 0x80, 0xBF};
  if (b < 0xF0) return {2, b == 0xE0 ? 0xA0u : 0x80u, b == 0xED ? 0x9Fu : 0xBFu};
  return {3, b == 0xF0 ? 0x90u : 0x80u, b == 0xF4 ? 0x8Fu : 0xBFu};
}

/// White_Space of Unicode plus the four separators that Python's str.isspace adds.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Bytes of white space at the front; 0 if there is none.
size_t space_at_front(std::string_view s) {
  if (s.empty()) return 0;
  const Utf8Step step = utf8_step(s);
  return step.kind == Utf8Step::Kind::valid && is_python_space(utf8_code_point(s, step.length)) ? step.length : 0;
}

/// Bytes of white space at the end: no white space is longer than three bytes.
size_t space_at_back(std::string_view s) {
  for (size_t length = 1; length <= 3 && length <= s.size(); ++length) {
    if (space_at_front(s.substr(s.size() - length)) == length) return length;
  }
  return 0;
}

}  // namespace

Utf8Step utf8_step(std::string_view bytes) {
  const unsigned first = byte_at(bytes, 0);
  if (first < 0x80) return {Utf8Step::Kind::valid, 1};
  const Lead lead = lead_of(first);
  if (lead.continuations == 0) return {Utf8Step::Kind::invalid, 1};
  for (size_t k = 1; k <= lead.continuations; ++k) {
    if (k == bytes.size()) return {Utf8Step::Kind::incomplete, k};
    const unsigned low = k == 1 ? lead.low : 0x80, high = k == 1 ? lead.high : 0xBF;
    if (byte_at(bytes, k) < low || byte_at(bytes, k) > high) return {Utf8Step::Kind::invalid, k};
  }
  return {Utf8Step::Kind::valid, lead.continuations + 1};
}

size_t utf8_first_error(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes.substr(at));
    if (step.kind != Utf8Step::Kind::valid) return at;
    at += step.length;
  }
  return std::string_view::npos;
}

size_t utf8_append_lossy(std::string_view bytes, bool final, std::string& out) {
  size_t at = 0;
  while (at < bytes.size()) {
    const Utf8Step step = utf8_step(bytes.substr(at));
    if (step.kind == Utf8Step::Kind::incomplete && !final) break;
    if (step.kind == Utf8Step::Kind::valid) {
      out.append(bytes, at, step.length);
    } else {
      utf8_append(0xFFFD, out);
    }
    at += step.length;
  }
  return at;
}

void utf8_append(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int continuations = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static constexpr unsigned kLeadBits[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLeadBits[continuations] | (c >> (6 * continuations)));
  for (int k = continuations - 1; k >= 0; --k) out += static_cast<char>(0x80 | ((c >> (6 * k)) & 0x3F));
}

char32_t utf8_code_point(std::string_view bytes, size_t length) {
  static constexpr unsigned kLeadMask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t c = byte_at(bytes, 0) & kLeadMask[length];
  for (size_t k = 1; k < length; ++k) c = (c << 6) | (byte_at(bytes, k) & 0x3F);
  return c;
}

std::string_view strip(std::string_view text) {
  while (const size_t n = space_at_front(text)) text.remove_prefix(n);
  while (const size_t n = space_at_back(text)) text.remove_suffix(n);
  return text;
}

}  // namespace glmv
