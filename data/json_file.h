// JSON from outside, read with suspicion: what readers of JSON disagree about is an error here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace glmv {

/// Parses one JSON value; `path` names it in messages. Error (exit code 3) for text that is not JSON, more than
/// `most_levels` levels, a zero byte, or a key that appears twice in one object.
nlohmann::json parse_json(const std::string& text, const std::string& path, int most_levels = 32);

/// parse_json, and an Error (exit code 3) if the value is not an object.
nlohmann::json parse_json_object(const std::string& text, const std::string& path);

}  // namespace glmv
