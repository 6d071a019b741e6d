// The small operations between scoring rules.
#pragma once

#include <set>
#include <string>

#include "eval/manifest.h"

namespace glmv::eval {

/// The operations, each the key of a step whose value holds its operands ("$name" refers to earlier values):
///   equal [a, b]       the same text; null equals nothing        in [a, list]     a is one of them
///   at_least [x, b]    x >= b; false if x is no number           more_than [x, b] x > b
///   set value          the value itself                          first list       its first element, or null
///   known value        is it not null?                           non_empty text   has it more than white space?
///   number value       true and false as 1 and 0                 mean [x, ...]    null if one of them is null
///   divide [x, y]      null if x is null                         xyxy_of_xywh box [x, y, w, h] -> corners
///   scale_box [shares, width, height]                            in pixels
///   shortcut "mathvista"   the reply if it already is an answer: a choice, or a number of the wanted kind
const std::set<std::string>& step_operations();

/// Error (exit code 3) for operands of the wrong kind, (2) for a name no one defined.
Json run_operation(const std::string& name, const Json& operands, const Json& values, const std::string& where);

}  // namespace glmv::eval
