#include "eval/python_literal.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>

#include "data/utf8.h"

namespace glmv::eval {
namespace {

using Json = nlohmann::json;
constexpr int kMostLevels = 32;

/// What ends the reading; never leaves this file.
struct NotALiteral {};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json whole() {
    Json value = read_value(0);
    skip_blanks();
    if (at_ != text_.size()) throw NotALiteral();
    return value;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n\f").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void want(char c) {
    if (peek() != c) throw NotALiteral();
    ++at_;
  }

  Json read_value(int level) {
    if (level > kMostLevels) throw NotALiteral();
    const char c = peek();
    if (c == '[') return read_list(level, ']');
    if (c == '(') return read_list(level, ')');
    if (c == '{') return read_dictionary(level);
    if (c == '\'' || c == '"') return read_strings();
    for (const auto& [name, value] :
         {std::pair<const char*, Json>{"None", nullptr}, {"True", true}, {"False", false}}) {
      if (take(name)) return value;
    }
    return read_number();
  }

  Json read_list(int level, char close) {
    ++at_;
    Json out = Json::array();
    bool comma = true;
    while (peek() != close) {
      if (!comma) throw NotALiteral();
      out.push_back(read_value(level + 1));
      comma = peek() == ',';
      if (comma) ++at_;
    }
    ++at_;
    if (close == ')' && out.size() == 1 && !comma) return out[0];  // (x) is x, (x,) a tuple
    return out;
  }

  Json read_dictionary(int level) {
    ++at_;
    Json out = Json::object();
    bool comma = true;
    while (peek() != '}') {
      if (!comma) throw NotALiteral();
      const Json key = read_value(level + 1);
      if (!key.is_string()) throw NotALiteral();
      want(':');
      out[key.get<std::string>()] = read_value(level + 1);
      comma = peek() == ',';
      if (comma) ++at_;
    }
    ++at_;
    return out;
  }

  Json read_strings() {
    std::string out;
    while (peek() == '\'' || peek() == '"') read_string(out);
    if (utf8_first_error(out) != std::string::npos) throw NotALiteral();
    return out;
  }

  void read_string(std::string& out) {
    const char quote = text_[at_];
    const std::string triple(3, quote);
    const bool tripled = take(triple);
    if (!tripled) ++at_;
    while (true) {
      if (at_ >= text_.size()) throw NotALiteral();
      if (tripled ? take(triple) : take({&quote, 1})) return;
      const char c = text_[at_++];
      if (c == '\n' && !tripled) throw NotALiteral();
      if (c == '\\') {
        read_escape(out);
      } else {
        out += c;
      }
    }
  }

  char32_t read_digits(size_t count, int base) {
    if (at_ + count > text_.size()) throw NotALiteral();
    uint32_t value = 0;
    const char *begin = text_.data() + at_, *end = begin + count;
    const auto [stop, error] = std::from_chars(begin, end, value, base);
    if (error != std::errc() || stop != end) throw NotALiteral();
    at_ += count;
    return value;
  }

  void read_escape(std::string& out) {
    if (at_ >= text_.size()) throw NotALiteral();
    const char c = text_[at_++];
    constexpr std::string_view kLetters = "abfnrtv\\'\"", kMeanings = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t i = kLetters.find(c); i != std::string_view::npos) {
      out += kMeanings[i];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const char32_t point = read_digits(c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
      if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) throw NotALiteral();
      utf8_append(point, out);
    } else if (c >= '0' && c <= '7') {
      --at_;
      size_t digits = 1;
      while (digits < 3 && at_ + digits < text_.size() && text_[at_ + digits] >= '0' && text_[at_ + digits] <= '7')
        ++digits;
      utf8_append(read_digits(digits, 8), out);
    } else if (c != '\n') {  // a backslash before anything else stays, as Python keeps it
      out += '\\';
      out += c;
    }
  }

  Json read_number() {
    const size_t begin = at_;
    if (peek() == '-' || peek() == '+') ++at_;
    const size_t digits = at_;
    while (at_ < text_.size() && std::string_view("0123456789.eE+-").find(text_[at_]) != std::string_view::npos) ++at_;
    std::string_view number = text_.substr(begin, at_ - begin);
    while (!number.empty() && (number.front() == '+' || number.front() == ' ')) number.remove_prefix(1);
    if (digits == at_) throw NotALiteral();
    int64_t integer = 0;
    const auto whole = std::from_chars(number.data(), number.data() + number.size(), integer);
    if (whole.ec == std::errc() && whole.ptr == number.data() + number.size()) return integer;
    double real = 0;
    const auto part = std::from_chars(number.data(), number.data() + number.size(), real);
    if (part.ec != std::errc() || part.ptr != number.data() + number.size()) throw NotALiteral();
    return real;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<Json> parse_python_literal(std::string_view text) {
  try {
    return Parser(text).whole();
  } catch (const NotALiteral&) {
    return std::nullopt;
  }
}

}  // namespace glmv::eval
