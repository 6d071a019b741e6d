// Arithmetic on the values of Python literals.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eval/literal.h"

namespace glmv::py {

Value of_text(std::string text);
Value of_real(double x);
Value of_bool(bool b);
/// An integer from its decimal digits, a minus sign in front allowed.
Value of_digits(std::string digits);

/// a op b for + - * / // % ** << >> & | ^; none where Python raises. Integers are exact below 2^63.
std::optional<Value> binary(std::string_view op, const Value& a, const Value& b);
/// + - ~ of a number; none where Python raises.
std::optional<Value> unary(std::string_view op, const Value& v);

}  // namespace glmv::py
