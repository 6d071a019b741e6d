#include "eval/latex_value.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {
namespace {

using Kind = LatexNumber::Kind;
using Result = std::optional<LatexNumber>;
using std::string_view;

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53: up to here a double holds every integer

LatexNumber of(Kind kind, double value) { return {kind, value}; }

Result finite(Kind kind, double value) { return std::isfinite(value) ? Result(of(kind, value)) : std::nullopt; }

Kind wider(const LatexNumber& x, const LatexNumber& y) {
  return x.kind == Kind::integer && y.kind == Kind::integer ? Kind::integer : Kind::decimal;
}

Result divided(const LatexNumber& x, const LatexNumber& y) {
  if (y.value == 0) return std::nullopt;
  const double quotient = x.value / y.value;
  if (wider(x, y) == Kind::decimal) return finite(Kind::decimal, quotient);
  const bool whole = std::fmod(x.value, y.value) == 0 && std::abs(x.value) <= kExactIntegers;
  return finite(whole ? Kind::integer : Kind::ratio, quotient);
}

class Parser {
 public:
  Parser(string_view text, const LatexNames& names) : s_(text), names_(names) {}
  Result whole() {
    const Result value = sum();
    skip();
    return s_.empty() ? value : std::nullopt;
  }

 private:
  static constexpr int kMostLevels = 100;

  void skip() {
    constexpr string_view kSpacing[] = {"\\,", "\\!", "\\;", "\\:", "\\ ", "\\quad", "\\left", "\\right", "$"};
    for (bool more = true; more;) {
      more = false;
      while (!s_.empty() && py::is_space(static_cast<unsigned char>(s_[0]))) s_.remove_prefix(1);
      for (const string_view token : kSpacing) {
        if (s_.starts_with(token)) s_.remove_prefix(token.size()), more = true;
      }
    }
  }
  bool take(string_view token) {
    skip();
    if (!s_.starts_with(token)) return false;
    s_.remove_prefix(token.size());
    return true;
  }

  Result sum() {
    if (++depth_ > kMostLevels) return std::nullopt;
    Result left = product();
    while (left) {
      const bool plus = take("+");
      if (!plus && !take("-")) break;
      const Result right = product();
      if (!right) return std::nullopt;
      left = finite(wider(*left, *right), plus ? left->value + right->value : left->value - right->value);
    }
    --depth_;
    return left;
  }

  Result product() {
    Result left = signed_power();
    while (left) {
      const bool times = !s_.starts_with("**") && (take("\\times") || take("\\cdot") || take("*"));
      const bool over = !times && (take("\\div") || take("/"));
      if (!times && !over) {
        if (!begins_factor()) break;
        left = juxtaposed(*left);
        continue;
      }
      const Result right = signed_power();
      if (!right) return std::nullopt;
      left = over ? divided(*left, *right) : finite(wider(*left, *right), left->value * right->value);
    }
    return left;
  }

  bool begins_factor() {
    skip();
    return !s_.empty() && (py::contains("0123456789.({\\", s_.substr(0, 1)) || begins_name());
  }
  bool begins_name() const {
    return s_.starts_with("a") || s_.starts_with("b") || (names_.mathematics && s_.starts_with("e"));
  }

  /// 2\frac{1}{2} is a mixed number and 2a a product. Two numbers side by side are read differently by the converters
  /// that the rules may be installed with, so they are refused.
  Result juxtaposed(const LatexNumber& left) {
    const bool fraction = s_.starts_with("\\frac") || s_.starts_with("\\dfrac") || s_.starts_with("\\tfrac");
    const bool product = begins_name() || s_.starts_with("\\sqrt") || s_.starts_with("\\pi");
    if (!fraction && !product) return std::nullopt;
    const Result right = power();
    if (!right) return std::nullopt;
    if (fraction && left.kind == Kind::integer) return finite(Kind::decimal, left.value + right->value);
    return finite(Kind::decimal, left.value * right->value);
  }

  Result signed_power() {
    if (take("+")) return signed_power();
    if (!take("-")) return power();
    if (++depth_ > kMostLevels) return std::nullopt;
    const Result value = signed_power();
    --depth_;
    return value ? finite(value->kind, -value->value) : std::nullopt;
  }

  Result power() {
    Result base = postfix();
    while (base && take("^")) {
      if (take("\\circ") || take("{\\circ}")) continue;  // degrees are dropped
      const bool plain = !s_.starts_with("\\");          // 2^\frac{1}{2} without braces is no power to the converters
      const Result exponent = plain ? postfix() : std::nullopt;
      if (!exponent) return std::nullopt;
      base = raised(*base, *exponent);
    }
    return base;
  }

  Result raised(const LatexNumber& base, const LatexNumber& exponent) const {
    const bool prints_as_root = exponent.kind == Kind::ratio && exponent.value == 0.5;
    if (prints_as_root && !names_.mathematics) return std::nullopt;
    if (base.value == 0 && exponent.value < 0) return std::nullopt;
    const bool integer = wider(base, exponent) == Kind::integer && exponent.value >= 0;
    return finite(integer ? Kind::integer : Kind::decimal, std::pow(base.value, exponent.value));
  }

  Result postfix() {
    Result value = atom();
    while (value && names_.mathematics && take("!")) {
      if (value->kind != Kind::integer || value->value < 0) return std::nullopt;
      value = finite(Kind::integer, std::round(std::tgamma(value->value + 1)));
    }
    return value;
  }

  Result atom() {
    skip();
    if (take("(")) return in_brackets(")");
    if (take("[")) return in_brackets("]");
    if (take("{")) return closed("}");
    for (const string_view command : {"\\dfrac", "\\tfrac", "\\frac"}) {
      if (take(command)) return fraction();
    }
    if (take("\\sqrt")) return root();
    for (const string_view command : {"\\text", "\\mathrm"}) {
      if (take(command)) return group();
    }
    if (const Result value = named()) return value;
    return number();
  }

  /// Inside of brackets a comma separates the elements of a list.
  Result in_brackets(string_view end) {
    ++brackets_;
    const Result value = closed(end);
    --brackets_;
    return value;
  }
  Result closed(string_view end) {
    const Result value = sum();
    return value && take(end) ? value : std::nullopt;
  }
  Result group() { return take("{") ? closed("}") : std::nullopt; }

  Result fraction() {
    const Result over = group();
    const Result under = over ? group() : std::nullopt;
    return under ? divided(*over, *under) : std::nullopt;
  }

  /// Square roots need a name when they are printed, other roots are printed as powers.
  Result root() {
    const Result degree = take("[") ? closed("]") : Result(of(Kind::integer, 2));
    const Result inside = degree ? group() : std::nullopt;
    if (!inside || degree->value == 0 || inside->value < 0) return std::nullopt;
    if (degree->value == 2 && !names_.mathematics) return std::nullopt;
    if (degree->value == 2) return finite(Kind::decimal, std::sqrt(inside->value));
    return finite(Kind::decimal, std::pow(inside->value, 1 / degree->value));
  }

  Result named() {
    if (names_.a && take("a")) return of(Kind::decimal, *names_.a);
    if (names_.b && take("b")) return of(Kind::decimal, *names_.b);
    if (!names_.mathematics) return std::nullopt;
    if (take("\\pi")) return of(Kind::decimal, M_PI);
    if (take("e")) return of(Kind::decimal, M_E);
    if (take("|")) {
      const Result inside = closed("|");
      return inside ? finite(inside->kind, std::abs(inside->value)) : std::nullopt;
    }
    return function();
  }

  Result function() {
    struct Function {
      string_view name;
      double (*of)(double);
    };
    constexpr Function kFunctions[] = {
        {"\\sin", [](double x) { return std::sin(x); }},   {"\\cos", [](double x) { return std::cos(x); }},
        {"\\tan", [](double x) { return std::tan(x); }},   {"\\ln", [](double x) { return std::log(x); }},
        {"\\log", [](double x) { return std::log10(x); }}, {"\\exp", [](double x) { return std::exp(x); }}};
    for (const Function& f : kFunctions) {
      if (!take(f.name)) continue;
      const Result argument = power();
      return argument ? finite(Kind::decimal, f.of(argument->value)) : std::nullopt;
    }
    return std::nullopt;
  }

  Result number() {
    static const py::Regex form(R"([0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)");
    const auto m = form.match(s_);
    if (!m) return std::nullopt;
    const std::string digits = py::replace(m->group(), ",", "");
    if (brackets_ > 0 && digits.size() != m->group().size()) return std::nullopt;
    s_.remove_prefix(m->end());
    return finite(py::contains(digits, ".") ? Kind::decimal : Kind::integer, *py::to_float(digits));
  }

  string_view s_;
  const LatexNames& names_;
  int depth_ = 0, brackets_ = 0;
};

}  // namespace

std::optional<LatexNumber> latex_value(string_view text, const LatexNames& names) {
  return Parser(text, names).whole();
}

}  // namespace glmv
