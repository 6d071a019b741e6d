#include "data/byte_level.h"

#include <array>

#include "data/utf8.h"

namespace glmv {
namespace {

constexpr int kNoByte = -1;

/// Bytes that are printable in Latin-1 stand for themselves; the other 68 get U+0100 onwards, in byte order.
constexpr bool stands_for_itself(int b) {
  return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

constexpr std::array<char32_t, 256> kCharOfByte = [] {
  std::array<char32_t, 256> chars{};
  char32_t next = 0x100;
  for (int b = 0; b < 256; ++b)
    chars[static_cast<size_t>(b)] = stands_for_itself(b) ? static_cast<char32_t>(b) : next++;
  return chars;
}();

constexpr size_t kAlphabetEnd = 0x100 + 68;

constexpr std::array<int, kAlphabetEnd> kByteOfChar = [] {
  std::array<int, kAlphabetEnd> bytes{};
  for (int& b : bytes) b = kNoByte;
  for (int b = 0; b < 256; ++b) bytes[kCharOfByte[static_cast<size_t>(b)]] = b;
  return bytes;
}();

}  // namespace

std::optional<std::string> from_byte_level(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const size_t length = utf8_step(token.substr(at)).length;
    const char32_t c = utf8_code_point(token.substr(at), length);
    if (c >= kAlphabetEnd || kByteOfChar[c] == kNoByte) return std::nullopt;
    bytes += static_cast<char>(kByteOfChar[c]);
    at += length;
  }
  return bytes;
}

std::string to_byte_level(std::string_view bytes) {
  std::string token;
  for (const char b : bytes) utf8_append(kCharOfByte[static_cast<unsigned char>(b)], token);
  return token;
}

}  // namespace glmv
