// A stretch of a file that is read from front to back, every length checked before it is used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace glmv {

/// Little-endian numbers and stretches off the front of some bytes. `where` is the file (and the member in it), for
/// messages. Errors: exit code 3.
class ByteReader {
 public:
  ByteReader(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  /// The next n bytes; `field` names them in the message if there are fewer.
  std::string_view take(uint64_t n, const char* field);
  /// A number of 1 to 8 bytes.
  uint64_t number(int bytes, const char* field);
  uint64_t u8(const char* field) { return number(1, field); }
  uint64_t u16(const char* field) { return number(2, field); }
  uint64_t u32(const char* field) { return number(4, field); }
  uint64_t u64(const char* field) { return number(8, field); }
  /// Up to a line feed, which is taken off too.
  std::string_view line(const char* field);

  uint64_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }
  const std::string& where() const { return where_; }

 private:
  std::string_view bytes_;
  std::string where_;
  uint64_t at_ = 0;
};

}  // namespace glmv
