// The EXIF orientation tag: found in the first image directory, applied by one gather.
#include "data/exif.h"

#include <algorithm>
#include <cstring>

#include "reference/core/parallel.h"

namespace glmv {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr size_t kEntryBytes = 12;
constexpr size_t kValueOffset = 8;

/// A byte block that answers "is it there?" before it answers "what is it?".
class Block {
 public:
  Block(const void* data, size_t size) : data_(static_cast<const uint8_t*>(data)), size_(size) {}

  bool has(size_t offset, size_t count) const { return offset <= size_ && count <= size_ - offset; }
  bool starts_with(const char* text, size_t count) const { return has(0, count) && !std::memcmp(data_, text, count); }
  void set_big_endian(bool big) { big_endian_ = big; }

  /// Unsigned integer of `count` bytes; the caller has asked has().
  uint32_t number(size_t offset, size_t count) const {
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | data_[offset + (big_endian_ ? i : count - 1 - i)];
    return value;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  bool big_endian_ = false;
};

/// The orientation entry's value, or kNoOrientation; 1 for a value that is none of 1..8. Like the libraries it takes
/// the first such entry and reads 16 bits, whatever type and count the entry claims.
int orientation_in_directory(const Block& block, size_t directory) {
  const size_t entries = block.number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (!block.has(entry, kValueOffset + 2)) return kNoOrientation;
    if (block.number(entry, 2) != kOrientationTag) continue;
    const uint32_t value = block.number(entry + kValueOffset, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return kNoOrientation;
}

}  // namespace

int exif_orientation(const void* tiff, size_t size) {
  Block block(tiff, size);
  const bool big = block.starts_with("MM\0*", 4);
  if (!big && !block.starts_with("II*\0", 4)) return kNoOrientation;
  block.set_big_endian(big);
  if (!block.has(4, 4)) return kNoOrientation;
  const size_t directory = block.number(4, 4);
  return block.has(directory, 2) ? orientation_in_directory(block, directory) : kNoOrientation;
}

int xmp_orientation(std::string_view packet) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = packet.find(kName); at != packet.npos; at = packet.find(kName, at + 1)) {
    std::string_view rest = packet.substr(at + kName.size());
    const size_t skip = rest.starts_with("=\"") ? 2 : rest.starts_with('>') ? 1 : 0;
    if (skip == 0 || rest.size() <= skip || rest[skip] < '0' || rest[skip] > '9') continue;
    return std::max(rest[skip] - '0', 1);
  }
  return kNoOrientation;
}

Image apply_orientation(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const bool exchange = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;

  Image seen;
  seen.width = exchange ? stored.height : stored.width;
  seen.height = exchange ? stored.width : stored.height;
  seen.rgb.resize(stored.rgb.size());
  parallel_for(seen.height, 8 * seen.width, [&](int64_t y) {
    uint8_t* out = seen.rgb.data() + y * seen.width * 3;
    for (int64_t x = 0; x < seen.width; ++x, out += 3) {
      int64_t from_x = exchange ? y : x, from_y = exchange ? x : y;
      if (from_right) from_x = stored.width - 1 - from_x;
      if (from_bottom) from_y = stored.height - 1 - from_y;
      std::memcpy(out, stored.rgb.data() + (from_y * stored.width + from_x) * 3, 3);
    }
  });
  return seen;
}

}  // namespace glmv
