// JSON from outside, read with suspicion: what readers of JSON disagree about is an error here.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace glmv {

/// The bytes of a file of at most `most_bytes`. Error (exit code 3) if it cannot be read or is larger.
std::string read_text(const std::string& path, uint64_t most_bytes);

/// Parses one JSON value; `path` names it in messages. Error (exit code 3) for text that is not JSON, more than
/// `most_levels` levels, a zero byte, or a key that appears twice in one object.
nlohmann::json parse_json(const std::string& text, const std::string& path, int most_levels = 32);

/// parse_json, and an Error (exit code 3) if the value is not an object.
nlohmann::json parse_json_object(const std::string& text, const std::string& path);

}  // namespace glmv
