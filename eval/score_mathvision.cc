// MATH-Vision: the answer in a reply, and whether two answers are the same number.
#include <cmath>

#include "eval/latex_value.h"
#include "eval/literal.h"
#include "eval/number.h"
#include "eval/score_math.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::contains;
using py::replace;
using std::string;
using std::string_view;

constexpr double kNear = 1e-6;

bool near(double a, double b) { return std::abs(a - b) < kNear; }

/// The function keeps its two values in variables named a and b, so answers that say "a" or "b" are evaluated with
/// them. They are equal if that leaves no letter: told here by trying two values for the letters themselves.
bool same_latex(string_view gold, string_view reply) {
  const auto g = latex_value(gold, {}), r = latex_value(reply, {});
  if (g && r) return near(g->value, r->value);
  if (!contains(gold, "a") && !contains(gold, "b") && !contains(reply, "a") && !contains(reply, "b")) return false;
  for (const auto& [a, b] : {std::pair(1.7320508, 2.2360679), std::pair(0.5772156, 1.6180339)}) {
    const auto x = latex_value(gold, {false, a, b}), y = latex_value(reply, {false, a, b});
    if (!x || !y) return false;
    const auto again_x = latex_value(gold, {false, x->value, y->value}),
               again_y = latex_value(reply, {false, x->value, y->value});
    if (!again_x || !again_y || !near(again_x->value, again_y->value)) return false;
  }
  return true;
}

/// str(round(value, 2)) as Python prints it: integers without a point.
string two_decimals(const LatexNumber& x) {
  const double rounded = py::round(x.value, 2);
  return x.kind == LatexNumber::Kind::integer ? py::int_text(rounded) : py::repr(rounded);
}

/// "(1+1, 3)" -> "(2,3)"; the text itself if it is no bracketed list of numbers.
string evaluated_elements(const string& text) {
  if (text.size() < 2) return text;
  const bool brackets = (text.front() == '(' && text.back() == ')') || (text.front() == '[' && text.back() == ']');
  const py::Views elements = py::split(string_view(text).substr(1, text.size() - 2), ",");
  if (!brackets || elements.size() < 2) return text;
  py::Strings out;
  for (const string_view element : elements) {
    if (contains(element, "infty") || element == "a" || element == "-a") {
      out.emplace_back(element);
      continue;
    }
    const auto value = latex_value(element, {true, std::nullopt, std::nullopt});
    if (!value) return text;
    out.push_back(two_decimals(*value));
  }
  return text.front() + py::join(out, ",") + text.back();
}

/// What stands behind "\text{ ", a unit, is cut off.
string without_unit(const string& text) { return text.substr(0, text.find("\\text{ ")); }

/// \sqrt3 -> \sqrt{3}
string with_root_braces(string_view text) {
  const py::Views parts = py::split(text, "\\sqrt");
  string out(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) {
    const string_view first = py::head(parts[i], 1);
    out += "\\sqrt";
    if (first.empty() || first == "{") {
      out += parts[i];
    } else {
      out.append("{").append(first).append("}").append(py::tail(parts[i], 1));
    }
  }
  return out;
}

/// \frac12 -> \frac{1}{2}; the text as it is if a \frac has fewer than two characters behind it.
string with_fraction_braces(const string& text) {
  const py::Views parts = py::split(text, "\\frac");
  string out(parts[0]);
  for (size_t i = 1; i < parts.size(); ++i) {
    out += "\\frac";
    if (parts[i].starts_with('{')) {
      out += parts[i];
      continue;
    }
    const string_view rest = py::tail(parts[i], 1), over = py::head(parts[i], 1), under = py::head(rest, 1);
    if (under.empty()) return text;
    out.append("{").append(over).append("}");
    if (under == "{") {
      out += rest;
    } else {
      out.append("{").append(under).append("}").append(py::tail(rest, 1));
    }
  }
  return out;
}

/// "3/4" -> "\frac{3}{4}" if both are integers as Python prints them.
string as_fraction(const string& text) {
  const py::Views parts = py::split(text, "/");
  if (parts.size() != 2) return text;
  const auto over = py::to_int(parts[0]), under = py::to_int(parts[1]);
  if (!over || !under || *over + "/" + *under != text) return text;
  return "\\frac{" + *over + "}{" + *under + "}";
}

string without(string text, std::initializer_list<string_view> parts) {
  for (const string_view part : parts) text = replace(text, part, "");
  return text;
}

/// The clean-up of answers that came with the MATH data set.
string math_normal_form(string text) {
  text = without(std::move(text), {"\n", "\\!"});
  text = replace(replace(replace(text, "\\\\", "\\"), "tfrac", "frac"), "dfrac", "frac");
  text = without(std::move(text), {"\\left", "\\right", "^{\\circ}", "^\\circ", "\\$", "$"});
  text = without(without_unit(text), {"\\%"});
  text = replace(replace(text, " .", " 0."), "{.", "{0.");
  if (text.empty()) return text;
  if (text[0] == '.') text = "0" + text;
  for (const string_view sign : {"=", "\\approx"}) {
    if (const py::Views parts = py::split(text, sign); parts.size() == 2) text = string(parts[1]);
  }
  if (contains(text, "sqrt")) text = with_root_braces(text);
  text = replace(text, " ", "");
  if (contains(text, "sqrt")) text = with_fraction_braces(text);
  if (text == "0.5") text = "\\frac{1}{2}";
  return as_fraction(text);
}

/// From behind the first "oxed{" to the last brace; everything if there is no such pair.
string_view inside_box(string_view text) {
  constexpr string_view kBox = "oxed{";
  const size_t begin = text.find(kBox), end = text.rfind('}');
  if (begin == string_view::npos || end == string_view::npos || end < begin + kBox.size()) return text;
  return text.substr(begin + kBox.size(), end - begin - kBox.size());
}

}  // namespace

bool mathvision_is_equal(string_view prediction, string_view answer) {
  const string small_reply = py::lower(prediction), small_gold = py::lower(answer);
  const string_view reply = py::strip(small_reply), gold = py::strip(small_gold);
  if (reply == gold) return true;
  const auto a = py::evaluate(gold), b = py::evaluate(reply);
  if (a && b && a->is_number() && b->is_number() && near(a->number, b->number)) return true;
  return same_latex(gold, reply);
}

bool mathvision_is_equal_lmms(string_view prediction, string_view answer) {
  const string reply = py::lower(prediction), gold = py::lower(answer);
  if (replace(reply, " ", "").empty() || replace(gold, " ", "").empty()) return false;
  if (py::strip(reply) == py::strip(gold)) return true;
  const string p = evaluated_elements(reply), g = evaluated_elements(gold);
  if (p == g) return true;
  const LatexNames names{true, std::nullopt, std::nullopt};
  const auto x = latex_value(p, names), y = latex_value(g, names);
  return x && y && py::round(x->value, 2) == py::round(y->value, 2);
}

string mathvision_find_answer(string_view text) {
  const string small = replace(py::lower(text), "{}", "");
  string_view boxed = inside_box(small);
  const size_t close = boxed.find('}');
  if (close != string_view::npos && close < boxed.find('{')) boxed = boxed.substr(0, close);
  string answer(py::after_last(py::after_last(boxed, "="), "\\approx"));
  answer = replace(without(std::move(answer), {" ", "\\,"}), "∞", "\\infty");
  answer = replace(replace(answer, "+\\infty", "\\infty"), "\\\\", "\\");
  answer = replace(without(std::move(answer), {"\n", "\\text", "\\mbox"}), "bmatrix", "pmatrix");
  return math_normal_form(without(std::move(answer), {"\\left", "\\right", "^{\\circ}", "^\\circ", "{m}^3", "m^3",
                                                      "{units}", "units", "{km}", "km"}));
}

}  // namespace glmv
