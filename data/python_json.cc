#include "data/python_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "reference/core/error.h"

namespace glmv {
namespace {

using nlohmann::ordered_json;

void append_string(const std::string& text, std::string& out) {
  out += ordered_json(text).dump();  // the same escapes: quotes, backslash, control characters
}

void append(const ordered_json& value, std::string& out);

template <class Each>
void append_list(const ordered_json& value, char open, char close, std::string& out, Each each) {
  out += open;
  bool first = true;
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (!first) out += ", ";
    first = false;
    each(item);
  }
  out += close;
}

void append(const ordered_json& value, std::string& out) {
  if (value.is_object()) {
    append_list(value, '{', '}', out, [&](const auto& item) {
      append_string(item.key(), out);
      out += ": ";
      append(item.value(), out);
    });
  } else if (value.is_array()) {
    append_list(value, '[', ']', out, [&](const auto& item) { append(*item, out); });
  } else if (value.is_number_float()) {
    out += python_float(value.get<double>());
  } else {
    out += value.dump();
  }
}

}  // namespace

std::string python_float(double value) {
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  std::string text(buffer.data(), end);  // -d.ddde+XX
  const size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  const bool negative = text[0] == '-';
  std::string digits = text.substr(negative, e - negative);
  if (digits.size() > 1) digits.erase(1, 1);
  const char* sign = negative ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    const char* point = digits.size() > 1 ? "." : "";
    return concat(sign, digits[0], point, digits.substr(1), text.substr(e));
  }
  if (exponent < 0) return concat(sign, "0.", std::string(static_cast<size_t>(-exponent - 1), '0'), digits);
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) digits.resize(whole + 1, '0');
  return concat(sign, digits.substr(0, whole), '.', digits.substr(whole));
}

std::string python_json(const ordered_json& value) {
  std::string out;
  append(value, out);
  return out;
}

}  // namespace glmv
