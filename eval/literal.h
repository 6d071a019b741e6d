// Python literals and arithmetic in text: data sets store lists so, and some rules call eval() on replies.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glmv::py {

struct Value {
  enum class Kind { none, boolean, integer, real, text, list, tuple, dict };
  Kind kind = Kind::none;
  std::string text;          ///< of a string; the decimal digits of an integer
  double number = 0;         ///< of an integer or real; 0 or 1 of a boolean
  std::vector<Value> items;  ///< of a list or tuple; key, value, key, value ... of a dict

  bool is_number() const { return kind == Kind::boolean || kind == Kind::integer || kind == Kind::real; }
};

/// str(value) and repr(value)
std::string str(const Value& value);
std::string repr(const Value& value);

/// Names beyond True, False and None.
using Names = std::function<std::optional<Value>(std::string_view)>;

/// ast.literal_eval(text); none where it raises and for bytes that are not UTF-8. Sets, bytes and complex numbers are
/// refused too.
std::optional<Value> literal(std::string_view text, const Names& names = nullptr);

/// eval(text) of literals, the arithmetic and bit operators, brackets and given names; none where it raises and for
/// everything else. Integers are exact below 2^63, beyond that they are doubles.
std::optional<Value> evaluate(std::string_view text, const Names& names = nullptr);

}  // namespace glmv::py
