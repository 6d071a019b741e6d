#include "data/gif.h"

#include <algorithm>
#include <utility>

namespace glmv {
namespace {

constexpr size_t kHeaderBytes = 13;
constexpr uint8_t kHasPalette = 0x80, kInterlaced = 0x40;

size_t palette_bytes(uint8_t flags) { return flags & kHasPalette ? size_t{3} << ((flags & 7) + 1) : 0; }

/// No palette, or one that says of every entry that it is its own grey: then so are those that it lacks. Else they are
/// black.
void read_palette(const PictureFile& file, size_t at, size_t bytes, Gif& gif) {
  file.need(at, bytes, "GIF: the palette");
  bool is_grey = true;
  for (size_t i = 0; i < bytes; ++i) is_grey = is_grey && file.data[at + i] == i / 3;
  for (size_t i = 0; i < gif.palette.size(); ++i) {
    const auto missing = static_cast<uint8_t>(is_grey ? i : 0);
    gif.palette[i] = {missing, missing, missing};
    if (3 * i < bytes) std::copy_n(file.data + at + 3 * i, 3, gif.palette[i].begin());
  }
}

/// Data sub-blocks: each a length byte and as many bytes; a zero ends the run.
class SubBlocks {
 public:
  SubBlocks(const PictureFile& file, size_t at) : file_(file), at_(at) {}

  /// The next byte; false at the end of the run.
  bool next(uint8_t& byte) {
    if (left_ == 0) {
      file_.need(at_, 1, "GIF: a data block");
      left_ = file_.data[at_++];
      if (left_ == 0) return false;
      file_.need(at_, left_, "GIF: a data block");
    }
    --left_;
    byte = file_.data[at_++];
    return true;
  }
  /// Offset behind the run.
  size_t skip() {
    for (uint8_t byte = 0; next(byte);) at_ += std::exchange(left_, 0);
    return at_;
  }

 private:
  const PictureFile& file_;
  size_t at_;
  size_t left_ = 0;  ///< bytes of the present block
};

/// Codes of growing width, least significant bit first.
class CodeReader {
 public:
  CodeReader(const PictureFile& file, size_t at) : bytes_(file, at) {}

  bool next(unsigned width, uint32_t& code) {
    for (; have_ < width; have_ += 8) {
      uint8_t byte = 0;
      if (!bytes_.next(byte)) return false;
      bits_ |= uint32_t{byte} << have_;
    }
    code = bits_ & ((1u << width) - 1);
    bits_ >>= width;
    have_ -= width;
    return true;
  }

 private:
  SubBlocks bytes_;
  uint32_t bits_ = 0;
  unsigned have_ = 0;
};

/// Lempel, Ziv and Welch: a code is a byte, or an earlier code and one more byte.
std::vector<uint8_t> decompress(const PictureFile& file, size_t at, size_t pixels) {
  constexpr unsigned kMostBits = 12;
  constexpr uint32_t kNone = ~0u;
  file.need(at, 1, "GIF: the code size");
  const unsigned bits = file.data[at];
  if (bits < 1 || bits >= kMostBits) file.fail("GIF: a code size of ", bits, " bits");
  const uint32_t clear = 1u << bits, end = clear + 1;
  std::array<uint16_t, 1u << kMostBits> before;
  std::array<uint8_t, 1u << kMostBits> last, text;
  for (uint32_t i = 0; i < clear; ++i) last[i] = static_cast<uint8_t>(i);

  std::vector<uint8_t> out;
  out.reserve(pixels);
  CodeReader codes(file, at + 1);
  uint32_t next = end + 1, previous = kNone, code = 0;
  unsigned width = bits + 1;
  uint8_t first = 0;  // of the text of the previous code
  while (out.size() < pixels) {
    if (!codes.next(width, code) || code == end) break;
    if (code == clear) {
      next = end + 1, previous = kNone, width = bits + 1;
      continue;
    }
    const bool is_new = code == next && previous != kNone;
    if (previous == kNone ? code >= clear : code > next || (code >= next && !is_new)) file.fail("GIF: a broken code");
    size_t length = 0;
    if (is_new) text[length++] = first;  // the previous text and its own first byte
    for (uint32_t c = is_new ? previous : code;; c = before[c]) {
      text[length++] = last[c];
      if (c < clear) break;
    }
    first = text[length - 1];
    for (; length > 0 && out.size() < pixels; --length) out.push_back(text[length - 1]);
    if (previous != kNone && next < text.size()) {
      before[next] = static_cast<uint16_t>(previous);
      last[next++] = first;
      if (next == 1u << width && width < kMostBits) ++width;
    }
    previous = code;
  }
  if (out.size() < pixels) file.fail("GIF: ", out.size(), " of ", pixels, " pixels (truncated?)");
  return out;
}

/// The row of the picture that the n-th stored row is.
std::vector<int64_t> row_order(int64_t height, bool interlaced) {
  std::vector<int64_t> rows;
  if (!interlaced) {
    for (int64_t y = 0; y < height; ++y) rows.push_back(y);
    return rows;
  }
  constexpr int64_t kPasses[4][2] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  for (const auto& [first, step] : kPasses) {
    for (int64_t y = first; y < height; y += step) rows.push_back(y);
  }
  return rows;
}

/// The picture whose descriptor stands at `at`.
void read_picture(const PictureFile& file, size_t at, Gif& gif) {
  file.need(at, 11, "GIF: the picture header");
  const int64_t left = file.little(at + 1, 2), top = file.little(at + 3, 2);
  const int64_t width = file.little(at + 5, 2), height = file.little(at + 7, 2);
  const uint8_t flags = file.data[at + 9];
  const size_t palette = palette_bytes(flags);
  if (palette > 0) read_palette(file, at + 10, palette, gif);
  check_size(file, width, height);
  gif.beyond_screen = left + width > gif.width || top + height > gif.height;
  gif.width = std::max(gif.width, left + width);
  gif.height = std::max(gif.height, top + height);
  check_size(file, gif.width, gif.height);
  const auto pixels = decompress(file, at + 10 + palette, static_cast<size_t>(width * height));
  gif.indices.assign(static_cast<size_t>(gif.width * gif.height), static_cast<uint8_t>(std::max(gif.transparent, 0)));
  gif.free.assign(gif.indices.size(), true);
  const uint8_t* row = pixels.data();
  for (const int64_t y : row_order(height, flags & kInterlaced)) {
    const int64_t first = (top + y) * gif.width + left;
    std::copy_n(row, width, gif.indices.data() + first);
    std::fill_n(gif.free.begin() + first, width, false);
    row += width;
  }
}

/// The block before a picture that says which entry is transparent.
void read_graphic_control(const PictureFile& file, size_t at, Gif& gif) {
  file.need(at, 8, "GIF: the graphic control block");
  if (file.data[at + 2] < 4) return;
  gif.transparent = file.data[at + 3] & 1 ? file.data[at + 6] : -1;
}

}  // namespace

Gif read_gif(const PictureFile& file) {
  file.need(0, kHeaderBytes, "GIF: the header");
  Gif gif;
  gif.width = file.little(6, 2);
  gif.height = file.little(8, 2);
  const size_t palette = palette_bytes(file.data[10]);
  read_palette(file, kHeaderBytes, palette, gif);
  if (palette > 0) gif.background = gif.palette[file.data[11]];
  for (size_t at = kHeaderBytes + palette;;) {
    file.need(at, 2, "GIF: a block");
    if (file.data[at] == ',') {
      read_picture(file, at, gif);
      return gif;
    }
    if (file.data[at] != '!') file.fail("GIF: no picture before offset ", at);
    constexpr uint8_t kGraphicControl = 0xf9;
    if (file.data[at + 1] == kGraphicControl) read_graphic_control(file, at, gif);
    at = SubBlocks(file, at + 2).skip();
  }
}

}  // namespace glmv
