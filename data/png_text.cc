// Text chunks of a PNG, in which some programs write how a picture is to be turned. Only Pillow looks there.
#include <libdeflate.h>

#include "data/exif.h"
#include "data/png.h"

namespace glmv {
namespace {

constexpr size_t kMostText = size_t{1} << 20;  // Pillow's own limit

/// Takes a part that ends with a zero byte off the front.
std::string_view take_word(std::string_view& rest) {
  const size_t end = std::min(rest.find('\0'), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

std::string inflated(std::string_view packed) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  std::string text(kMostText, '\0');
  size_t size = 0;
  const libdeflate_result result =
      libdeflate_zlib_decompress(decompressor.get(), packed.data(), packed.size(), text.data(), text.size(), &size);
  text.resize(result == LIBDEFLATE_SUCCESS ? size : 0);
  return text;
}

/// The text of one chunk, if its keyword is this one.
std::optional<std::string> text_under(std::string_view keyword, std::string_view chunk) {
  const std::string_view type = chunk.substr(0, 4);
  chunk.remove_prefix(4);
  if (take_word(chunk) != keyword) return {};
  bool is_packed = type == "zTXt";
  if (type == "iTXt" && chunk.size() >= 2) is_packed = chunk[0] != 0;
  if (type != "tEXt") chunk.remove_prefix(std::min<size_t>(type == "iTXt" ? 2 : 1, chunk.size()));
  if (type == "iTXt") take_word(chunk), take_word(chunk);  // language, keyword in it
  return is_packed ? inflated(chunk) : std::string(chunk);
}

/// The last chunk with a keyword counts.
std::string text_of(const PictureFile& file, const PngChunks& chunks, std::string_view keyword) {
  std::string last;
  for (const auto& [at, length] : chunks.texts) {
    const std::string_view chunk(reinterpret_cast<const char*>(file.data) + at, length + 4);
    if (std::optional<std::string> text = text_under(keyword, chunk)) last = std::move(*text);
  }
  return last;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string bytes_of_hex(std::string_view text) {
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = hex_digit(c);
    if (digit < 0) continue;
    if (high >= 0) bytes += static_cast<char>(high << 4 | digit);
    high = high < 0 ? digit : -1;
  }
  return bytes;
}

}  // namespace

int png_text_exif(const PictureFile& file, const PngChunks& chunks) {
  const std::string text = text_of(file, chunks, "Raw profile type exif");
  size_t begin = 0;  // behind three lines: empty, "exif", the number of bytes
  for (int line = 0; line < 3; ++line) {
    begin = text.find('\n', begin);
    if (begin == std::string::npos) return kNoOrientation;
    ++begin;
  }
  std::string block = bytes_of_hex(std::string_view(text).substr(begin));
  const std::string prefix("Exif\0\0", 6);
  while (block.starts_with(prefix)) block.erase(0, prefix.size());
  return exif_orientation(block.data(), block.size());
}

int png_text_xmp(const PictureFile& file, const PngChunks& chunks) {
  return xmp_orientation(text_of(file, chunks, "XML:com.adobe.xmp"));
}

}  // namespace glmv
