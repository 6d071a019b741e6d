// Text with {names} in it, and values that refer to each other by $names.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "eval/manifest.h"

namespace glmv::eval {

/// Replaces {name} by the value of that name: text as it is, numbers as JSON writes them, lists line by line. {options}
/// are the choices, one a line in the frame's form, {letters} the choices' letters with commas. Braces around anything
/// but lower-case letters, digits and _ stay. Error (exit code 3) for a name without a value.
std::string fill_template(const std::string& text, const Json& values, const std::string& option,
                          const std::string& where);

/// Does every condition hold? A list among the values means any of them.
bool holds(const Json& conditions, const Json& values);

/// The parts of a frame whose conditions hold, one after the other.
std::string render_frame(const Frame& frame, const Json& values, const std::string& where);

/// The names in a template.
void collect_names(const std::string& text, std::set<std::string>& names);

/// The names that "$name" and "$name.key" strings anywhere in a value refer to, and those of "when" conditions.
void collect_references(const Json& value, std::set<std::string>& names);

/// "$name" -> the value, "$name.key" -> a member of it (null where there is none), inside lists and objects too;
/// everything else stays. Error (exit code 2) for a name that no one defined.
Json resolve(const Json& value, const Json& values, const std::string& where);

/// A value as text: strings as they are, null as "".
std::string text_of(const Json& value);

}  // namespace glmv::eval
