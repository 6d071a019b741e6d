// Python literals as JSON: data sets keep lists and dictionaries in cells so.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace glmv::eval {

/// What ast.literal_eval makes of the text, tuples as lists. Nothing where it raises, for bytes that are not UTF-8, for
/// dictionaries whose keys are no strings, and for nesting deeper than 32 levels.
std::optional<nlohmann::json> parse_python_literal(std::string_view text);

}  // namespace glmv::eval
