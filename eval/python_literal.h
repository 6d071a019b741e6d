// Python literals, as data sets keep lists and dictionaries in cells: "['a', 'b']", "(1, 2)", "{'k': None}".
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace glmv::eval {

/// Strings with escapes ('...', "...", tripled ones, adjacent ones joined), numbers, lists, tuples (as lists),
/// dictionaries with string keys, None, True, False. Nothing if the text is anything else, as ast.literal_eval would
/// raise; nesting deeper than 32 levels is refused too.
std::optional<nlohmann::json> parse_python_literal(std::string_view text);

}  // namespace glmv::eval
