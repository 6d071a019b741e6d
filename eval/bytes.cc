#include "eval/bytes.h"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "data/base64.h"
#include "data/file.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

std::array<int8_t, 256> values_of_characters() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (int i = 0; i < 64; ++i) values[static_cast<unsigned char>(kBase64Alphabet[i])] = static_cast<int8_t>(i);
  return values;
}

}  // namespace

std::string base64_decode(std::string_view text, const std::string& where) {
  static const std::array<int8_t, 256> kValues = values_of_characters();
  while (!text.empty() && (text.back() == '=' || text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t group = 0;
  int bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r' || c == ' ') continue;
    const int8_t value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) input_error(where, ": not base64: character ", i, " of ", text.size());
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) out += static_cast<char>(group >> (bits -= 8) & 255);
  }
  if (bits == 6) input_error(where, ": not base64: cut off after ", text.size(), " characters");
  return out;
}

MappedFile MappedFile::open(const std::string& path) {
  const InputFile file = open_input(path);
  MappedFile out;
  if (file.bytes == 0) return out;  // an empty file cannot be mapped
  void* data = ::mmap(nullptr, file.bytes, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (data == MAP_FAILED) input_error(path, ": cannot be mapped: ", std::strerror(errno));
  const size_t bytes = file.bytes;
  out.mapping_ = std::shared_ptr<const void>(data, [bytes](const void* p) { ::munmap(const_cast<void*>(p), bytes); });
  out.text_ = {static_cast<const char*>(data), bytes};
  return out;
}

}  // namespace glmv::eval
