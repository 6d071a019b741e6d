// Bytes as text, for data URLs.
#pragma once

#include <string>
#include <string_view>

namespace glmv {

constexpr char kBase64Alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard alphabet with padding.
std::string base64_encode(std::string_view bytes);

}  // namespace glmv
