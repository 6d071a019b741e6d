#include "eval/score_text.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::contains;
using py::Regex;
using std::string;
using std::string_view;

/// A flag constant stands where the toolkits' call expects a count.
constexpr size_t kMostPeriods = 32;

string without_marks(string_view text, const Regex& period) {
  static const Regex grouped_digits(R"(\d,\d)");
  const bool digits = grouped_digits.search(text).has_value();
  string out(text);
  for (const char mark : string_view(";/[]\"{}()=+\\_-><@`,?!")) {
    const string m(1, mark);
    const bool beside_blank = contains(text, m + " ") || contains(text, " " + m);
    out = py::replace(out, m, beside_blank || digits ? "" : " ");
  }
  size_t left = kMostPeriods;
  return period.replace(out, [&](const py::Match& m) -> string {
    if (left == 0) return string(m.group());
    --left;
    return "";
  });
}

/// U+FF01-FF5E to ASCII, the ideographic blank to a blank.
string fold_full_width(string_view text) {
  constexpr char32_t kFirst = 0xFF01, kLast = 0xFF5E, kShift = 0xFEE0, kIdeographicBlank = 0x3000;
  std::u32string out = py::decode(text);
  for (char32_t& c : out) {
    if (c >= kFirst && c <= kLast) c -= kShift;
    if (c == kIdeographicBlank) c = U' ';
  }
  return py::encode(out);
}

string formula_text(string_view text) { return py::replace(py::replace(py::strip(text), "\n", " "), " ", ""); }
string line_text(string_view text) {
  const string small = py::lower(text);
  return py::replace(py::strip(small), "\n", " ");
}

/// -? digits with one optional point, split into sign, whole part without leading zeros, fraction without trailing
/// ones.
struct Decimal {
  bool negative;
  string whole, fraction;
  bool operator==(const Decimal&) const = default;
};

std::optional<Decimal> to_decimal(string_view text) {
  static const Regex number(R"(-?(?:\d+\.\d+|\d+|\.\d+))");
  const string plain = py::replace(py::strip(text), ",", "");
  if (!number.full_match(plain)) return std::nullopt;
  Decimal out{plain[0] == '-', "", ""};
  bool behind_point = false;
  for (const char32_t c : py::decode(plain)) {
    if (c == U'.') behind_point = true;
    const int digit = py::digit_value(c);
    if (digit >= 0) (behind_point ? out.fraction : out.whole) += static_cast<char>('0' + digit);
  }
  out.whole.erase(0, std::min(out.whole.find_first_not_of('0'), out.whole.size()));
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  if (out.whole.empty() && out.fraction.empty()) out.negative = false;
  return out;
}

string short_answer(string_view text) {
  const string small = py::lower(py::strip(text));
  static const Regex blanks(R"(\s+)");
  const string squeezed = blanks.replace(py::strip(small, "\"'`"), " ");
  if (!squeezed.ends_with('.')) return squeezed;
  string cut = squeezed.substr(0, squeezed.size() - 1);
  cut.resize(cut.find_last_not_of(' ') + 1);  // every blank is U+0020 by now
  return cut;
}

}  // namespace

string process_punctuation(string_view text) {
  static const Regex period(R"((?<!\d)\.(?!\d))");
  return without_marks(text, period);
}

string process_punctuation_mvbench(string_view text) {
  static const Regex period(R"(\.(?!\d))");
  return without_marks(text, period);
}

string yes_no_extract(string_view prediction) {
  const string cleaned = process_punctuation(py::lower(prediction));
  const py::Views words = py::split(cleaned);
  const auto has = [&](string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); };
  const bool yes = has("yes"), no = has("no");
  return yes == no ? "Unknown" : yes ? "Yes" : "No";
}

bool ocrbench_contains(string_view prediction, const std::vector<string>& answers, bool formula) {
  const auto clean = formula ? formula_text : line_text;
  const string reply = clean(prediction);
  return std::any_of(answers.begin(), answers.end(), [&](const string& a) { return contains(reply, clean(a)); });
}

bool ocrbench_contains_fullwidth(string_view prediction, const std::vector<string>& answers, bool formula) {
  const string_view stripped = py::strip(prediction);
  if (formula) return ocrbench_contains(stripped, answers, true);
  std::vector<string> folded;
  for (const string& a : answers) folded.push_back(fold_full_width(a));
  return ocrbench_contains(fold_full_width(stripped), folded, false);
}

string squad_normalize(string_view text) {
  static const Regex articles(R"(\b(a|an|the)\b)");
  string plain;
  for (const char c : py::lower(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::ispunct(byte) == 0) plain += c;
  }
  const string kept = articles.replace(plain, " ");
  return py::join(py::split(kept), " ");
}

bool webquest_relaxed(string_view prediction, const std::vector<string>& gold_variants) {
  constexpr double kTolerance = 0.05;
  const auto right = [&](const string& gold) {
    const auto gold_int = py::to_int(gold), int_reply = py::to_int(prediction);
    if (gold_int && int_reply) return *gold_int == *int_reply;
    const auto g = py::to_float(gold), p = py::to_float(prediction);
    if (g && p && !gold_int) return std::abs(*p - *g) <= kTolerance * std::abs(*g);
    return squad_normalize(gold) == squad_normalize(prediction);
  };
  return std::any_of(gold_variants.begin(), gold_variants.end(), right);
}

bool zerobench_contains(string_view prediction, string_view answer) {
  static const Regex braces(R"(\{(.*?)\})");
  const string small = py::lower(prediction);
  const auto last = braces.last(small);
  const string inside = last ? string(last->group(1)) : "";
  return contains(inside, py::lower(py::strip(answer)));
}

bool zerobench_exact(string_view prediction, string_view answer) {
  const string p = short_answer(py::strip(prediction)), a = short_answer(py::strip(answer));
  const auto x = to_decimal(p), y = to_decimal(a);
  return x && y ? *x == *y : p == a;
}

}  // namespace glmv
