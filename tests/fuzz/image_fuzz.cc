// Any bytes are a picture or an Error: nothing else may leave decode_image.
//
// PNG checksums would stop nearly every mutation at the door, so a second try repairs them first.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "data/image.h"

namespace {

uint32_t crc32(const uint8_t* data, size_t size) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

uint32_t big32(const uint8_t* p) { return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3]; }

void repair_png(std::vector<uint8_t>& png) {
  for (size_t at = 8; at + 12 <= png.size();) {
    const size_t length = big32(&png[at]);
    if (length > png.size() - at - 12) return;
    const uint32_t crc = crc32(&png[at + 4], length + 4);
    for (size_t i = 0; i < 4; ++i) png[at + 8 + length + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    at += 12 + length;
  }
}

void decode(const void* data, size_t size) {
  try {
    const glmv::Image image = glmv::decode_image(data, size, "fuzz");
    if (image.rgb.size() != static_cast<size_t>(image.width * image.height * 3)) std::abort();
  } catch (const glmv::Error& error) {
    if (error.code() != glmv::ExitCode::bad_input) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  decode(data, size);
  if (size > 8 && std::memcmp(data, "\x89PNG", 4) == 0) {
    std::vector<uint8_t> repaired(data, data + size);
    repair_png(repaired);
    decode(repaired.data(), repaired.size());
  }
  return 0;
}
