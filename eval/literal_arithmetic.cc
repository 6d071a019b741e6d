#include "eval/literal_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace glmv::py {

using Kind = Value::Kind;
using Result = std::optional<Value>;

Value of_text(std::string text) { return {Kind::text, std::move(text), 0, {}}; }
Value of_real(double x) { return {Kind::real, "", x, {}}; }
Value of_digits(std::string digits) {
  const double x = std::strtod(digits.c_str(), nullptr);
  return {Kind::integer, std::move(digits), x, {}};
}
Value of_bool(bool b) { return {Kind::boolean, "", b ? 1.0 : 0.0, {}}; }

namespace {

/// An integer or boolean that fits in 64 bits.
std::optional<int64_t> small(const Value& v) {
  if (v.kind == Kind::boolean) return v.number != 0 ? 1 : 0;
  constexpr size_t kMostDigits = 18;
  if (v.kind != Kind::integer || v.text.size() > kMostDigits + (v.text[0] == '-' ? 1 : 0)) return std::nullopt;
  return std::strtoll(v.text.c_str(), nullptr, 10);
}

Result of_int128(__int128 x) {
  constexpr auto kMost = static_cast<__int128>(std::numeric_limits<int64_t>::max());
  if (x > kMost || x < -kMost) return of_real(static_cast<double>(x));
  return of_digits(std::to_string(static_cast<int64_t>(x)));
}

Result integer_power(int64_t base, int64_t exponent) {
  __int128 product = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    product *= base;
    constexpr auto kMost = static_cast<__int128>(std::numeric_limits<int64_t>::max());
    if (product > kMost || product < -kMost)
      return of_real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    if (base == 0 || base == 1) break;
    if (base == -1) return of_digits(exponent % 2 == 0 ? "1" : "-1");
  }
  return of_int128(product);
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

Result on_integers(std::string_view op, int64_t a, int64_t b) {
  constexpr int64_t kMostShift = 62, kMostExponent = 1000;
  if (op == "+") return of_int128(static_cast<__int128>(a) + b);
  if (op == "-") return of_int128(static_cast<__int128>(a) - b);
  if (op == "*") return of_int128(static_cast<__int128>(a) * b);
  if (op == "^") return of_int128(a ^ b);
  if (op == "&") return of_int128(a & b);
  if (op == "|") return of_int128(a | b);
  if (op == "**" && b >= 0) return integer_power(a, b);
  if (op == "//" && b != 0) return of_int128(floor_div(a, b));
  if (op == "%" && b != 0) return of_int128(a - floor_div(a, b) * b);
  if (op == "<<" && b >= 0 && b <= kMostShift) return of_int128(static_cast<__int128>(a) << b);
  if (op == "<<" && b > kMostShift && b <= kMostExponent) return of_real(std::ldexp(a, static_cast<int>(b)));
  if (op == ">>" && b >= 0) return of_int128(a >> std::min(b, kMostShift + 1));
  return std::nullopt;
}

/// The remainder with the sign of the divisor.
double modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}

Result on_reals(std::string_view op, double a, double b) {
  if (op == "+") return of_real(a + b);
  if (op == "-") return of_real(a - b);
  if (op == "*") return of_real(a * b);
  if (op == "/" && b != 0) return of_real(a / b);
  if (op == "//" && b != 0) return of_real(std::round((a - modulo(a, b)) / b));
  if (op == "%" && b != 0) return of_real(modulo(a, b));
  if (op == "**") {
    const double power = std::pow(a, b);
    const bool raises = (a == 0 && b < 0) || std::isnan(power) || (std::isinf(power) && std::isfinite(a));
    return raises ? Result{} : of_real(power);
  }
  return std::nullopt;
}

}  // namespace

Result binary(std::string_view op, const Value& a, const Value& b) {
  if (!a.is_number() || !b.is_number()) return std::nullopt;
  const auto i = small(a), j = small(b);
  const bool real_result = op == "/" || (op == "**" && j.value_or(0) < 0);
  if (i && j && !real_result) return on_integers(op, *i, *j);
  return on_reals(op, a.number, b.number);
}

Result unary(std::string_view sign, const Value& v) {
  const std::string digits = v.kind == Kind::boolean ? (v.number != 0 ? "1" : "0") : v.text;
  if (sign == "~") {
    const auto i = small(v);
    return i ? of_int128(-static_cast<__int128>(*i) - 1) : Result{};
  }
  if (v.kind == Kind::real) return of_real(sign == "-" ? -v.number : v.number);
  if (sign == "+" || digits == "0") return of_digits(digits);
  return of_digits(digits[0] == '-' ? digits.substr(1) : "-" + digits);
}

}  // namespace glmv::py
