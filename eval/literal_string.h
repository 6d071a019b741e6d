// Quoted strings of Python source.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glmv::py {

/// The string literal at the front of `source`, which is moved behind it; none if it does not end or holds an escape
/// that is not one. Prefixes r and u are known. False in `is_string` if there is no string literal at the front.
std::optional<std::string> take_string(std::string_view& source, bool& is_string);

/// repr() of a string.
std::string quoted(std::string_view text);

}  // namespace glmv::py
