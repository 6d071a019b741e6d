#include "eval/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "eval/text.h"

namespace glmv::py {
namespace {

/// The zeros of Unicode 14's decimal digits; each is followed by its one to nine.
constexpr std::u32string_view kZeros =
    U"0\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0de6\u0e50\u0ed0\u0f20\u1040"
    U"\u1090\u17e0\u1810\u1946\u19d0\u1a80\u1a90\u1b50\u1bb0\u1c40\u1c50\ua620\ua8d0\ua900\ua9d0\ua9f0\uaa50"
    U"\uabf0\uff10\U000104a0\U00010d30\U00011066\U000110f0\U00011136\U000111d0\U000112f0\U00011450\U000114d0"
    U"\U00011650\U000116c0\U00011730\U000118e0\U00011950\U00011c50\U00011d50\U00011da0\U00016a60\U00016ac0"
    U"\U00016b50\U0001d7ce\U0001d7d8\U0001d7e2\U0001d7ec\U0001d7f6\U0001e140\U0001e2f0\U0001e950\U0001fbf0";

constexpr size_t kMostIntDigits = 4300;   // CPython's limit against quadratic conversion
constexpr int kMostFractionDigits = 323;  // beyond these no double has a digit to round
constexpr int kMostIntegerDigits = 308;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Stripped, digits as ASCII, underscores between digits dropped; none if there is anything that no number holds.
std::optional<std::string> plain(std::string_view text) {
  std::string ascii;
  for (const char32_t c : decode(strip(text))) {
    const int digit = digit_value(c);
    if (digit < 0 && (c <= 0x20 || c >= 0x7F)) return std::nullopt;
    ascii += digit >= 0 ? static_cast<char>('0' + digit) : static_cast<char>(c);
  }
  std::string out;
  for (size_t i = 0; i < ascii.size(); ++i) {
    if (ascii[i] != '_') {
      out += ascii[i];
    } else if (i == 0 || i + 1 == ascii.size() || !is_digit(ascii[i - 1]) || !is_digit(ascii[i + 1])) {
      return std::nullopt;
    }
  }
  return out;
}

/// Takes digits off the front and says how many.
size_t take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto n = static_cast<size_t>(end - text.begin());
  text.remove_prefix(n);
  return n;
}

bool take(std::string_view& text, std::string_view any) {
  if (text.empty() || !contains(any, text.substr(0, 1))) return false;
  text.remove_prefix(1);
  return true;
}

/// [sign] digits [. digits] [e [sign] digits], or a word for what is not finite.
bool is_float(std::string_view text) {
  take(text, "+-");
  const std::string word = lower(text);
  if (word == "inf" || word == "infinity" || word == "nan") return true;
  size_t digits = take_digits(text);
  if (take(text, ".")) digits += take_digits(text);
  if (digits == 0) return false;
  if (!take(text, "eE")) return text.empty();
  take(text, "+-");
  return take_digits(text) > 0 && text.empty();
}

/// Half to even at 10^-digits for digits < 0, on the exact value.
double round_left_of_point(double value, int digits) {
  const auto cut = static_cast<size_t>(-digits);
  std::string all = fixed(std::abs(value), 1074);  // exact: no double has a finer last bit
  const size_t point = all.find('.');
  std::string whole = std::string(cut + 1, '0') + all.substr(0, point);
  const std::string rest = whole.substr(whole.size() - cut) + all.substr(point + 1);
  whole.resize(whole.size() - cut);
  const bool beyond_half = rest[0] > '5' || (rest[0] == '5' && rest.find_first_not_of('0', 1) != std::string::npos);
  const bool tie = rest[0] == '5' && !beyond_half;
  if (beyond_half || (tie && (whole.back() - '0') % 2 == 1)) {
    size_t i = whole.size() - 1;
    while (whole[i] == '9') whole[i--] = '0';
    ++whole[i];
  }
  return std::copysign(std::strtod((whole + std::string(cut, '0')).c_str(), nullptr), value);
}

}  // namespace

int digit_value(char32_t c) {
  const auto after = std::upper_bound(kZeros.begin(), kZeros.end(), c);
  if (after == kZeros.begin()) return -1;
  const char32_t distance = c - *(after - 1);
  return distance <= 9 ? static_cast<int>(distance) : -1;
}

std::optional<double> to_float(std::string_view text) {
  const std::optional<std::string> number = plain(text);
  if (!number || !is_float(*number)) return std::nullopt;
  return std::strtod(number->c_str(), nullptr);
}

std::optional<std::string> to_int(std::string_view text) {
  const std::optional<std::string> number = plain(text);
  if (!number) return std::nullopt;
  std::string_view digits = *number;
  const bool negative = digits.starts_with('-');
  take(digits, "+-");
  std::string_view rest = digits;
  const size_t n = take_digits(rest);
  if (n == 0 || n > kMostIntDigits || !rest.empty()) return std::nullopt;
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return std::string(negative && digits != "0" ? "-" : "").append(digits);
}

std::string int_text(double value) {
  const std::string text = fixed(std::trunc(value), 0);
  return text == "-0" ? "0" : text;
}

double round(double value, int digits) {
  if (!std::isfinite(value) || digits > kMostFractionDigits) return value;
  if (digits < -kMostIntegerDigits) return 0.0 * value;
  if (digits < 0) return round_left_of_point(value, digits);
  return std::strtod(fixed(value, digits).c_str(), nullptr);
}

double round(double value) { return std::nearbyint(value); }

std::string repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string text(buffer.data(), end.ptr);  // d[.ddd]e[+-]dd
  const size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  constexpr int kLeastFixed = -4, kMostFixed = 15;
  if (exponent < kLeastFixed || exponent > kMostFixed) return text;
  std::string digits = replace(text.substr(0, e), ".", "");
  const std::string sign = digits[0] == '-' ? "-" : "";
  digits.erase(0, sign.size());
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t point = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= point) return sign + digits + std::string(point - digits.size(), '0') + ".0";
  return sign + digits.substr(0, point) + "." + digits.substr(point);
}

std::string fixed(double value, int digits) {
  const int size = std::snprintf(nullptr, 0, "%.*f", digits, value);
  std::string out(static_cast<size_t>(size), '\0');
  std::snprintf(out.data(), out.size() + 1, "%.*f", digits, value);
  return out;
}

}  // namespace glmv::py
