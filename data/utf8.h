// UTF-8: checking, lossy decoding and stripping, each with the exact rule of the library it has to agree with.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace glmv {

/// What stands at the front of a byte string.
struct Utf8Step {
  enum class Kind { valid, invalid, incomplete };
  Kind kind;
  size_t length;  ///< bytes of the character, of the maximal ill-formed part, or of the cut-off beginning
};

/// Looks at the front of a non-empty string. Surrogates, overlong forms and values above U+10FFFF are invalid.
Utf8Step utf8_step(std::string_view bytes);

/// Offset of the first byte that is not part of well-formed UTF-8; npos if there is none.
size_t utf8_first_error(std::string_view bytes);

/// Appends `bytes` to `out`, one U+FFFD for every maximal ill-formed part (Rust's String::from_utf8_lossy). A cut-off
/// character at the end is replaced too if `final`, else left. Returns the number of bytes used up.
size_t utf8_append_lossy(std::string_view bytes, bool final, std::string& out);

/// Appends a code point, which must be a Unicode scalar value.
void utf8_append(char32_t code_point, std::string& out);

/// The code point of a well-formed sequence of `length` bytes at the front.
char32_t utf8_code_point(std::string_view bytes, size_t length);

/// Python's str.strip(): Unicode white space and U+001C..U+001F off both ends. Ill-formed bytes count as text.
std::string_view strip(std::string_view text);

}  // namespace glmv
