// How alike two texts are, as Python's difflib says it.
#pragma once

#include <string_view>

namespace glmv {

/// difflib.SequenceMatcher(None, a, b).ratio(): 2·M/T, M the code points in matching blocks (Ratcliff and Obershelp),
/// T those of both. In a second text of 200 or more, code points that make up more than 1 % are not looked for. Not
/// symmetric. Two empty texts are 1.
double sequence_matcher_ratio(std::string_view a, std::string_view b);

}  // namespace glmv
