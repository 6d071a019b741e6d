// Numbers as Python reads, rounds and prints them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glmv::py {

/// The value of a Unicode decimal digit (660 code points); -1 for anything else.
int digit_value(char32_t c);

/// float(text); none where Python raises. White space around it, Unicode digits, single underscores between digits,
/// "inf", "infinity" and "nan" are taken; what is too large is infinite.
std::optional<double> to_float(std::string_view text);

/// int(text) as its decimal digits without leading zeros; none where Python raises (so beyond 4300 digits).
std::optional<std::string> to_int(std::string_view text);

/// str(int(value)) of a finite value: cut towards zero, every digit.
std::string int_text(double value);

/// round(value, digits): of the exact binary value, halves to even.
double round(double value, int digits);

/// round(value), as a double: halves to even.
double round(double value);

/// str(value): the shortest form that reads back, "1.0", "1e+16", "-0.0", "nan".
std::string repr(double value);

/// format(value, ".<digits>f")
std::string fixed(double value, int digits);

}  // namespace glmv::py
