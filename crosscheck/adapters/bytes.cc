#include "crosscheck/adapters/bytes.h"

#include <algorithm>

#include "reference/core/error.h"

namespace glmv {

std::string_view ByteReader::take(uint64_t n, const char* field) {
  if (n > left())
    input_error(where_, ": ", field, " at byte ", at_, " has ", n, " bytes, but only ", left(), " follow");
  const std::string_view part = bytes_.substr(at_, n);
  at_ += n;
  return part;
}

uint64_t ByteReader::number(int bytes, const char* field) {
  const std::string_view part = take(static_cast<uint64_t>(bytes), field);
  uint64_t value = 0;
  for (size_t i = part.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(part[i]);
  return value;
}

std::string_view ByteReader::line(const char* field) {
  const size_t end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) input_error(where_, ": ", field, " at byte ", at_, " has no end");
  const std::string_view part = bytes_.substr(at_, end - at_);
  at_ = end + 1;
  return part;
}

}  // namespace glmv
