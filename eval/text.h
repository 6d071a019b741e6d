// Text as Python's str means it: the published scoring rules were written there, and a port to bytes changes scores.
//
// Strings are well-formed UTF-8. Case, white space and letters are those of CPython 3.11 (Unicode 14).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace glmv::py {

using Strings = std::vector<std::string>;
using Views = std::vector<std::string_view>;  ///< parts of a string that outlives them

/// Code points of a string, and back.
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);

/// len(text): the number of code points.
size_t length(std::string_view text);
/// text[:n] and text[n:] in code points.
std::string_view head(std::string_view text, size_t n);
std::string_view tail(std::string_view text, size_t n);

/// text.lower(), text.upper(): full mappings; the small sigma at the end of a word; not case folding.
std::string lower(std::string_view text);
std::string upper(std::string_view text);

/// text.strip(): white space (29 code points) off both ends.
std::string_view strip(std::string_view text);
/// text.strip(characters), lstrip, rstrip: any of these code points off the ends.
std::string_view strip(std::string_view text, std::string_view characters);
std::string_view lstrip(std::string_view text, std::string_view characters);
std::string_view rstrip(std::string_view text, std::string_view characters);

/// text.split(): at runs of white space, without empty parts.
Views split(std::string_view text);
/// text.split(separator): empty parts stay; an empty text is one empty part.
Views split(std::string_view text, std::string_view separator);
/// What stands behind the last `separator`; the whole text if there is none.
std::string_view after_last(std::string_view text, std::string_view separator);

/// text.replace(from, to), at most `most` times. `from` is not empty.
std::string replace(std::string_view text, std::string_view from, std::string_view to, size_t most = std::string::npos);

/// separator.join(parts)
std::string join(const Views& parts, std::string_view separator);
std::string join(const Strings& parts, std::string_view separator);

bool contains(std::string_view text, std::string_view part);

/// str.isspace and str.isalpha of one code point.
bool is_space(char32_t c);
bool is_alpha(char32_t c);
/// text.isupper(): something with case, and nothing in it that is small or in title case.
bool is_upper(std::string_view text);

}  // namespace glmv::py
