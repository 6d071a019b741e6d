// MMLongBench-Doc: integers, floats, texts and lists, by the authors' rule (VLMEvalKit's too) and by lmms-eval's.
#include <algorithm>
#include <cmath>
#include <optional>

#include "eval/edit_distance.h"
#include "eval/literal.h"
#include "eval/number.h"
#include "eval/regex.h"
#include "eval/score_anls.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::contains;
using py::Regex;
using std::string;
using std::string_view;

constexpr double kLeastSimilarity = 0.5;  // this and less is 0

/// math.isclose(a, b, rel_tol=0.01)
bool is_close(double a, double b) {
  constexpr double kRelative = 0.01;
  if (a == b) return true;
  if (std::isinf(a) || std::isinf(b)) return false;
  return std::abs(a - b) <= kRelative * std::max(std::abs(a), std::abs(b));
}

/// Characters behind the point of a float as it is printed, exponent included; 3 without a point.
int decimals(double value) {
  const string text = py::repr(value);
  const size_t point = text.find('.');
  constexpr int kWithoutPoint = 3;
  return point == string::npos ? kWithoutPoint : static_cast<int>(text.size() - point - 1);
}

/// Near the gold, a hundredth of it or a hundred times it: a percent sign may be missing on either side.
bool float_equal(double gold, double reply) {
  constexpr int kLeastDecimals = 2;
  for (const double wanted : {gold / 100, gold, gold * 100}) {
    if (is_close(wanted, reply)) return true;
    const int digits = std::max(std::min(decimals(reply), decimals(wanted)), kLeastDecimals);
    if (py::round(reply, digits) == py::round(wanted, digits)) return true;
  }
  return false;
}

/// Lower case, without bracketed parts, one quote at each end, dollar signs in front and percent signs behind. The
/// look-behind changes nothing but the time that long runs of blanks take.
string cleaned(string_view text) {
  static const Regex brackets(R"((?<!\s)\s*\([^)]*\))"), quotes(R"(^['"]|['"]$)");
  const string small = py::lower(text);
  const string open = contains(small, ")") ? brackets.replace(py::strip(small), "") : small;
  const string bare = quotes.replace(py::strip(open), "");
  string_view core = py::strip(py::lstrip(py::strip(bare), "$"));
  return string(py::strip(py::rstrip(core, "%")));
}

/// Cleaned, then without a unit word behind, with single blanks.
string cleaned_lmms(string_view text) {
  string out = cleaned(text);
  for (const string_view unit : {" miles", " mile", " million"}) {
    if (out.ends_with(unit)) out = string(py::strip(string_view(out).substr(0, out.size() - unit.size())));
  }
  return py::join(py::split(out), " ");
}

/// Texts in which every character matters: addresses, files, pages, numbers, times, dates.
bool looks_exact(string_view text) {
  static const Regex number(R"(\b\d+(-\d+|\s\d+)?\b)"), date(R"(\b\d{4}[-\s]\d{2}[-\s]\d{2}\b)"),
      month(R"(\b\d{4}[-\s]\d{2}\b)"), mail(R"([a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,})");
  return contains(text, "https://") || text.ends_with(".py") || text.starts_with("page") || contains(text, "a.m.") ||
         contains(text, "p.m.") || number.full_match(text) || date.full_match(text) || month.full_match(text) ||
         mail.full_match(text);
}
bool looks_exact_official(string_view text) { return looks_exact(text) || text.ends_with("ipynb"); }
bool looks_exact_lmms(string_view text) {
  return looks_exact(text) || contains(text, "http://") || text.ends_with(".ipynb");
}

double kept(double similarity) { return similarity <= kLeastSimilarity ? 0 : similarity; }

double similarity_official(string_view gold, string_view reply) {
  const size_t length = std::max(py::length(py::upper(gold)), py::length(py::upper(reply)));
  if (length == 0) return 1;
  return kept(1 - static_cast<double>(edit_distance(gold, reply)) / static_cast<double>(length));
}

double similarity_lmms(string_view gold, string_view reply) {
  if (gold.empty() && reply.empty()) return 1;
  if (gold.empty() || reply.empty()) return 0;
  const size_t length = std::max(py::length(gold), py::length(reply));
  return kept(1 - static_cast<double>(edit_distance(gold, reply)) / static_cast<double>(length));
}

template <class Similarity>
double worst_pair(const py::Strings& golds, const py::Strings& replies, Similarity similarity) {
  double worst = 1;
  for (size_t i = 0; i < golds.size(); ++i) worst = std::min(worst, similarity(golds[i], replies[i]));
  return worst;
}

/// The cleaned elements of a list in order; a text that is no list is one element. None where eval() raises.
std::optional<py::Strings> elements(string_view text) {
  py::Strings out;
  if (!text.starts_with('[')) {
    out.push_back(cleaned(text));
  } else {
    const auto value = py::evaluate(text);
    if (!value) return std::nullopt;
    const bool list = value->kind == py::Value::Kind::list;
    if (!list) out.push_back(cleaned(py::str(*value)));
    for (const py::Value& item : list ? value->items : std::vector<py::Value>{}) out.push_back(cleaned(py::str(item)));
  }
  std::sort(out.begin(), out.end());
  return out;
}

double list_score(string_view answer, string_view prediction) {
  const auto golds = elements(answer), replies = elements(prediction);
  if (!golds || !replies || golds->size() != replies->size() || golds->empty()) return 0;
  if (py::to_float((*golds)[0]) || looks_exact_official((*golds)[0]))
    return py::join(*golds, "-") == py::join(*replies, "-") ? 1 : 0;
  return worst_pair(*golds, *replies, similarity_official);
}

double int_score(string_view answer, string_view prediction) {
  const auto gold = py::to_int(answer);
  const auto reply = py::to_float(prediction);
  // Where a conversion raises, the gold as it was is compared with an empty text.
  if (!gold || !reply || !std::isfinite(*reply)) return answer.empty() ? 1 : 0;
  return *gold == py::int_text(*reply) ? 1 : 0;
}

std::optional<double> first_number(string_view text) {
  static const Regex number(R"([-+]?\d*\.?\d+)");
  const string plain = py::replace(text, ",", "");
  const auto m = number.search(plain);
  return m ? py::to_float(m->group()) : std::nullopt;
}

py::Strings elements_lmms(string_view text) {
  const auto value = py::literal(text);
  py::Strings out;
  if (!value) {
    out.push_back(cleaned_lmms(text));
  } else if (value->kind == py::Value::Kind::list) {
    for (const py::Value& item : value->items) out.push_back(cleaned_lmms(py::str(item)));
  } else if (value->kind != py::Value::Kind::none) {
    out.push_back(cleaned_lmms(py::str(*value)));
  }
  std::sort(out.begin(), out.end());
  return out;
}

double list_score_lmms(string_view answer, string_view prediction) {
  const py::Strings golds = elements_lmms(answer), replies = elements_lmms(prediction);
  if (golds.size() != replies.size()) return 0;
  if (golds.empty()) return 1;
  if (first_number(golds[0]) || looks_exact_lmms(golds[0])) return golds == replies ? 1 : 0;
  return worst_pair(golds, replies, similarity_lmms);
}

double text_score_lmms(string_view answer, string_view prediction) {
  const string gold = cleaned_lmms(answer), reply = cleaned_lmms(prediction);
  if (looks_exact_lmms(gold)) return gold == reply ? 1 : 0;
  return similarity_lmms(gold, reply);
}

constexpr string_view kNotAnswerable = "Not answerable";

struct Sums {
  double gold = 0, reply = 0;
  double golds = 0, replies = 0;
};
Sums sums_of(const std::vector<DocumentScore>& items) {
  Sums s;
  for (const DocumentScore& item : items) {
    if (item.answer != kNotAnswerable) s.gold += item.score, s.golds += 1;
    if (item.prediction != kNotAnswerable) s.reply += item.score, s.replies += 1;
  }
  return s;
}
double harmonic(double recall, double precision) {
  return recall + precision == 0 ? 0 : 2 * recall * precision / (recall + precision);
}

}  // namespace

double mmlongbench_eval_score(string_view answer, string_view prediction, string_view format) {
  if (format == "Int") return int_score(answer, prediction);
  if (format == "Float") {
    const auto gold = py::to_float(cleaned(answer)), reply = py::to_float(cleaned(prediction));
    return gold && reply && float_equal(*gold, *reply) ? 1 : 0;
  }
  if (format == "Str") {
    const string gold = cleaned(answer), reply = cleaned(prediction);
    if (looks_exact_official(gold)) return gold == reply ? 1 : 0;
    return similarity_official(gold, reply);
  }
  return list_score(answer, prediction);
}

double mmlongbench_eval_score_lmms(string_view answer, string_view prediction, string_view format) {
  const string small = py::lower(py::strip(format));
  if (small == "none") return cleaned_lmms(prediction) == "not answerable" ? 1 : 0;
  if (small == "list") return list_score_lmms(answer, prediction);
  const bool integer = small == "int" || small == "integer";
  if (!integer && small != "float") return text_score_lmms(answer, prediction);
  const auto gold = first_number(answer), reply = first_number(prediction);
  if (!gold || !reply) return 0;
  if (!integer) return float_equal(*gold, *reply) ? 1 : 0;
  return std::isfinite(*gold) && std::isfinite(*reply) && py::int_text(*gold) == py::int_text(*reply) ? 1 : 0;
}

double mmlongbench_f1(const std::vector<DocumentScore>& items) {
  const Sums s = sums_of(items);
  return s.golds == 0 || s.replies == 0 ? 0 : harmonic(s.gold / s.golds, s.reply / s.replies);
}

double mmlongbench_f1_official(const std::vector<DocumentScore>& items) {
  const Sums s = sums_of(items);
  return s.golds == 0 || s.replies == 0 ? 0 : harmonic(s.gold / s.golds, s.gold / s.replies);
}

}  // namespace glmv
