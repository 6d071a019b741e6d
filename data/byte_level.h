// The byte-level alphabet: every byte is spelled as one printable character, so that a vocabulary is plain text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glmv {

/// The bytes that a token of the vocabulary spells; nothing if it has a character outside the alphabet.
/// `token` must be well-formed UTF-8.
std::optional<std::string> from_byte_level(std::string_view token);

/// The spelling of bytes in the alphabet.
std::string to_byte_level(std::string_view bytes);

}  // namespace glmv
