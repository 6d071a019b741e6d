// Our own rules: an answer counts only where it is given as one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eval/score_choice.h"

namespace glmv {

/// The answer in a reply: behind the last </think>, the last box there (LaTeX or box tokens) or <answer>, else all;
/// stripped. "" if the thinking never ends.
std::string strict_answer(std::string_view reply);

/// The option that strict_answer() names and nothing else: "B", "(B)", "B.", "**B**", "Answer: B", "B. text" or its
/// text. None otherwise; never a guess.
std::optional<std::string> strict_choice(std::string_view reply, const Options& options);

/// Equal as numbers (thousands commas, a percent sign on both sides or none) or as texts without case, outer
/// punctuation and repeated blanks. An empty answer is wrong.
bool strict_equal(std::string_view reply, std::string_view gold);

}  // namespace glmv
