// Zip archives for tests of readers: honest ones, and ones whose fields lie.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace glmv {

inline std::string little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

/// Raw deflate, as it lies in a zip archive.
inline std::string deflated(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// One member; every field may be set to what is not true.
struct ZipEntry {
  std::string name, stored;
  uint64_t bytes = 0, place = 0, stored_bytes = 0;
  uint16_t method = 0, flags = 0;
  uint32_t crc = 0;

  ZipEntry(std::string member, const std::string& content, bool deflate = false)
      : name(std::move(member)), stored(deflate ? deflated(content) : content), bytes(content.size()) {
    method = deflate ? 8 : 0;
    stored_bytes = stored.size();
    crc = static_cast<uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
  }
};

/// Places members one after the other; `lie` may then change what the directory says of them.
template <class Lie>
std::string zip_of(std::vector<ZipEntry> entries, Lie lie) {
  std::string out;
  for (ZipEntry& e : entries) {
    e.place = out.size();
    out += std::string("PK\3\4", 4) + little(20, 2) + little(e.flags, 2) + little(e.method, 2) + little(0, 4) +
           little(e.crc, 4) + little(e.stored_bytes, 4) + little(e.bytes, 4) + little(e.name.size(), 2) + little(0, 2) +
           e.name + e.stored;
  }
  lie(entries);
  const size_t directory = out.size();
  for (const ZipEntry& e : entries) {
    out += std::string("PK\1\2", 4) + little(20, 2) + little(20, 2) + little(e.flags, 2) + little(e.method, 2) +
           little(0, 4) + little(e.crc, 4) + little(e.stored_bytes, 4) + little(e.bytes, 4) + little(e.name.size(), 2) +
           little(0, 2) + little(0, 2) + little(0, 8) + little(e.place, 4) + e.name;
  }
  return out + std::string("PK\5\6", 4) + little(0, 4) + little(entries.size(), 2) + little(entries.size(), 2) +
         little(out.size() - directory, 4) + little(directory, 4) + little(0, 2);
}
inline std::string zip_of(std::vector<ZipEntry> entries) {
  return zip_of(std::move(entries), [](std::vector<ZipEntry>&) {});
}

}  // namespace glmv
