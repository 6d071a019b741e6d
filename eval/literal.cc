#include "eval/literal.h"

#include <algorithm>
#include <array>
#include <map>

#include "data/utf8.h"
#include "eval/literal_arithmetic.h"
#include "eval/literal_string.h"
#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv::py {
namespace {

using Kind = Value::Kind;
using Result = std::optional<Value>;

/// Recursive descent over one text. Every function returns none for what Python would refuse.
class Parser {
 public:
  Parser(std::string_view text, bool literals_only, const Names& names)
      : s_(rstrip(text, " \t\f\n\r")), literals_only_(literals_only), names_(names) {}

  /// What the text is; nothing for bytes that are not UTF-8, which the patterns take for granted.
  Result whole() {
    if (utf8_first_error(s_) != std::string_view::npos) return {};
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
      left = binary(*op, *left, *right);
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
      return unary(sign, *value);
    }
    Result base = atom();
    if (!base || !take("**")) return base;
    const Result exponent = factor();
    return exponent && !literals_only_ ? binary("**", *base, *exponent) : Result{};
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
