// JSON as Python writes it: what templates print with tojson.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace glmv {

/// json.dumps(value, ensure_ascii=False): ", " and ": " between, keys in their order, floats as repr() writes them.
/// Whole numbers beyond 64 bits, which Python keeps, were made floats when they were parsed.
std::string python_json(const nlohmann::ordered_json& value);

/// The shortest decimal that reads back as `value`, laid out as Python's repr() does: 1.0, 1e+16, 1e-05.
std::string python_float(double value);

}  // namespace glmv
