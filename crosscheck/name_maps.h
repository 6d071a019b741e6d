// What other programs call the points: one list of name rules for each, usable as --map NAME.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// "vllm" and its rules, each "PATTERN=REPLACEMENT" as --map takes them; a replacement may end in @layout rules
/// (crosscheck/layout.h).
struct NameMap {
  std::string name;
  std::string source;  ///< which names of which program, in a few words
  std::vector<std::string> rules;
};

const std::vector<NameMap>& name_maps();

/// By name; null if there is none.
const NameMap* find_name_map(std::string_view name);

/// "transformers, vllm, ..." for messages.
std::string name_map_names();

/// The map that turns most of these names into points of ours, if it knows more than twice as many as are known as they
/// are.
const NameMap* likely_name_map(const std::vector<std::string>& names);

}  // namespace glmv
