#include "eval/literal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>

#include "eval/literal_string.h"
#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv::py {
namespace {

using Kind = Value::Kind;
using Result = std::optional<Value>;

Value of_text(std::string text) { return {Kind::text, std::move(text), 0, {}}; }
Value of_real(double x) { return {Kind::real, "", x, {}}; }
Value of_digits(std::string digits) {
  const double x = std::strtod(digits.c_str(), nullptr);
  return {Kind::integer, std::move(digits), x, {}};
}
Value of_bool(bool b) { return {Kind::boolean, "", b ? 1.0 : 0.0, {}}; }

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

Result apply(std::string_view op, const Value& a, const Value& b) {
  if (!a.is_number() || !b.is_number()) return std::nullopt;
  const auto i = small(a), j = small(b);
  const bool real_result = op == "/" || (op == "**" && j.value_or(0) < 0);
  if (i && j && !real_result) return on_integers(op, *i, *j);
  return on_reals(op, a.number, b.number);
}

/// Recursive descent over one text. Every function returns none for what Python would refuse.
class Parser {
 public:
  Parser(std::string_view text, bool literals_only, const Names& names)
      : s_(rstrip(text, " \t\f\n\r")), literals_only_(literals_only), names_(names) {}

  Result whole() {
    std::optional<Sequence> all = sequence("");
    return all && skip() && s_.empty() ? as_tuple(std::move(*all)) : Result{};
  }

 private:
  static constexpr int kMostLevels = 100;  // of brackets and signs; CPython gives up at 200 brackets

  /// Skips blanks, comments and, inside brackets, line ends. Always true.
  bool skip() {
    while (!s_.empty()) {
      if (s_[0] == '#') {
        s_.remove_prefix(std::min(s_.find('\n'), s_.size()));
      } else if (contains(" \t\f", s_.substr(0, 1)) || (s_[0] == '\n' && brackets_ > 0)) {
        s_.remove_prefix(1);
      } else {
        break;
      }
    }
    return true;
  }
  bool take(std::string_view token) {
    skip();
    if (!s_.starts_with(token)) return false;
    s_.remove_prefix(token.size());
    return true;
  }
  bool sees(std::string_view token) {
    skip();
    return s_.starts_with(token);
  }

  struct Sequence {
    std::vector<Value> items;
    bool has_comma = false;
  };
  /// One value without a comma is itself, with one a tuple.
  static Value as_tuple(Sequence all) {
    if (!all.has_comma && all.items.size() == 1) return std::move(all.items[0]);
    return {Kind::tuple, "", 0, std::move(all.items)};
  }

  /// expr {"," expr} [","] up to `end`, which is not taken.
  std::optional<Sequence> sequence(std::string_view end) {
    Sequence all;
    do {
      Result next = expression(0);
      if (!next) return std::nullopt;
      all.items.push_back(std::move(*next));
      if (!take(",")) return all;
      all.has_comma = true;
      skip();
    } while (!(end.empty() ? s_.empty() : s_.starts_with(end)));
    return all;
  }

  /// Binary operators from the weakest level on.
  Result expression(size_t level) {
    static const std::array<std::vector<std::string_view>, 6> kLevels = {
        {{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"//", "*", "/", "%"}}};
    if (level == kLevels.size()) return factor();
    Result left = expression(level + 1);
    while (left) {
      const auto op = std::find_if(kLevels[level].begin(), kLevels[level].end(),
                                   [&](std::string_view o) { return sees(o) && !(o == "*" && sees("**")); });
      if (op == kLevels[level].end()) return left;
      s_.remove_prefix(op->size());
      if (literals_only_) return std::nullopt;
      const Result right = expression(level + 1);
      if (!right) return std::nullopt;
      left = apply(*op, *left, *right);
    }
    return left;
  }

  Result factor() {
    if (++depth_ > kMostLevels) return std::nullopt;
    Result value = signed_or_power();
    --depth_;
    return value;
  }

  Result signed_or_power() {
    for (const std::string_view sign : {"-", "+", "~"}) {
      if (!take(sign)) continue;
      const Result value = literals_only_ ? atom() : factor();  // a literal has one sign
      if (!value || !value->is_number() || (literals_only_ && (sign == "~" || value->kind == Kind::boolean)))
        return std::nullopt;
      return negated(sign, *value);
    }
    Result base = atom();
    if (!base || !take("**")) return base;
    const Result exponent = factor();
    return exponent && !literals_only_ ? apply("**", *base, *exponent) : Result{};
  }

  static Result negated(std::string_view sign, const Value& v) {
    const std::string digits = v.kind == Kind::boolean ? (v.number != 0 ? "1" : "0") : v.text;
    if (sign == "~") {
      const auto i = small(v);
      return i ? of_int128(-static_cast<__int128>(*i) - 1) : Result{};
    }
    if (v.kind == Kind::real) return of_real(sign == "-" ? -v.number : v.number);
    if (sign == "+" || digits == "0") return of_digits(digits);
    return of_digits(digits[0] == '-' ? digits.substr(1) : "-" + digits);
  }

  Result atom() {
    skip();
    bool is_string = false;
    if (Result text = strings(is_string); is_string) return text;
    if (take("(")) return bracketed(")", Kind::tuple);
    if (take("[")) return bracketed("]", Kind::list);
    if (take("{")) return dict();
    return number_or_name();
  }

  /// One or several string literals side by side.
  Result strings(bool& is_string) {
    std::string all;
    is_string = false;
    for (bool more = true;;) {
      skip();
      const std::optional<std::string> part = take_string(s_, more);
      if (!more) return of_text(all);
      is_string = true;
      if (!part) return std::nullopt;
      all += *part;
    }
  }

  Result bracketed(std::string_view end, Kind kind) {
    ++brackets_;
    std::optional<Sequence> inside = sees(end) ? Sequence{} : sequence(end);
    if (!inside || !take(end)) return std::nullopt;
    --brackets_;
    return kind == Kind::tuple ? as_tuple(std::move(*inside)) : Value{kind, "", 0, std::move(inside->items)};
  }

  /// A key that is there already keeps its place and gets the new value.
  Result dict() {
    ++brackets_;
    Value out{Kind::dict, "", 0, {}};
    std::map<std::string, size_t> places;
    while (!take("}")) {
      Result key = expression(0);
      if (!key || !take(":")) return std::nullopt;
      Result value = expression(0);
      if (!value || !(take(",") || sees("}"))) return std::nullopt;
      const auto [place, is_new] = places.emplace(repr(*key), out.items.size() + 1);
      if (is_new) out.items.push_back(std::move(*key)), out.items.emplace_back();
      out.items[place->second] = std::move(*value);
    }
    --brackets_;
    return out;
  }

  Result number_or_name() {
    static const Regex number(
        R"((?:[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?)");
    static const Regex name("[^\\W\\d]\\w*");
    if (const auto m = number.match(s_)) {
      const std::string digits = replace(m->group(), "_", "");
      s_.remove_prefix(m->end());
      if (name.match(s_)) return std::nullopt;  // 0x10, 5m, 2j
      if (contains(digits, ".") || contains(digits, "e") || contains(digits, "E")) return of_real(*to_float(digits));
      if (digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) return std::nullopt;  // 012
      const std::optional<std::string> whole = to_int(digits);
      return whole ? of_digits(*whole) : Result{};
    }
    const auto m = name.match(s_);
    if (!m) return std::nullopt;
    const std::string_view word = m->group();
    s_.remove_prefix(m->end());
    if (word == "True" || word == "False") return of_bool(word == "True");
    if (word == "None") return Value{};
    return names_ ? names_(word) : Result{};
  }

  std::string_view s_;
  bool literals_only_;
  const Names& names_;
  int brackets_ = 0, depth_ = 0;
};

std::string items_text(const Value& v) {
  std::string out;
  for (size_t i = 0; i < v.items.size(); ++i) {
    const bool value_of_dict = v.kind == Kind::dict && i % 2 == 1;
    out += i == 0 ? "" : value_of_dict ? ": " : ", ";
    out += repr(v.items[i]);
  }
  return out;
}

}  // namespace

std::string str(const Value& value) { return value.kind == Kind::text ? value.text : repr(value); }

std::string repr(const Value& value) {
  switch (value.kind) {
    case Kind::none: return "None";
    case Kind::boolean: return value.number != 0 ? "True" : "False";
    case Kind::integer: return value.text;
    case Kind::real: return repr(value.number);
    case Kind::text: return quoted(value.text);
    case Kind::list: return '[' + items_text(value) + ']';
    case Kind::dict: return '{' + items_text(value) + '}';
    case Kind::tuple: break;
  }
  return '(' + items_text(value) + (value.items.size() == 1 ? ",)" : ")");
}

std::optional<Value> literal(std::string_view text, const Names& names) {
  return Parser(lstrip(text, " \t"), true, names).whole();
}

std::optional<Value> evaluate(std::string_view text, const Names& names) {
  return Parser(lstrip(text, " \t"), false, names).whole();
}

}  // namespace glmv::py
