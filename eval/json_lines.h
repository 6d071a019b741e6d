// Files with a JSON object per line.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace glmv::eval {

/// Calls `take` with the number of each line, from 1, and its object. Blank lines are skipped, and the last line needs
/// no end. One line is in memory at a time. Error (exit code 3): no such file, or a line that is no JSON object, by
/// number.
void for_each_json_line(const std::string& path, const std::function<void(int64_t line, nlohmann::json object)>& take);

}  // namespace glmv::eval
