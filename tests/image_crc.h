// CRC-32 (zlib's polynomial) of pixels, as the golden files write it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace glmv {

inline std::string crc_text(const uint8_t* data, size_t size) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  char text[9];
  std::snprintf(text, sizeof text, "%08x", ~crc);
  return text;
}

inline std::string crc_text(const std::vector<uint8_t>& bytes) { return crc_text(bytes.data(), bytes.size()); }

}  // namespace glmv
