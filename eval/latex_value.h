// The number that a piece of LaTeX stands for, where two published rules agree on what it is.
#pragma once

#include <optional>
#include <string_view>

namespace glmv {

struct LatexNumber {
  enum class Kind { integer, ratio, decimal };  ///< ratio: a quotient of integers that is none
  Kind kind = Kind::integer;
  double value = 0;
};

/// What names stand for.
struct LatexNames {
  bool mathematics = false;    ///< square roots, pi, e, factorials, absolute values, elementary functions
  std::optional<double> a, b;  ///< the variables of these names
};

/// Sums, products (\times \cdot \div * /), \frac, powers, thousands commas, brackets, \sqrt[n]; an integer before a
/// \frac is a mixed number. None for everything else, so for units, percents, equations, lists and empty texts.
std::optional<LatexNumber> latex_value(std::string_view text, const LatexNames& names);

}  // namespace glmv
