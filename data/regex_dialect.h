// Oniguruma pattern -> PCRE2 pattern with the same meaning, or a refusal that names the construct.
#pragma once

#include <string>
#include <string_view>

namespace glmv {

/// Understands what the split patterns of byte-level BPE files are made of: literals, classes, groups, look-around,
/// quantifiers, \s \S \p{L} \p{N} and their kind. `where` names file and field in the Error (exit code 2).
std::string translate_regex(std::string_view pattern, const std::string& where);

}  // namespace glmv
