// Rules of MVBench and MMVU that compare whole texts rather than pick a letter.
#include <algorithm>
#include <cmath>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/score_choice.h"
#include "eval/score_text.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::contains;
using py::Regex;
using std::string;
using std::string_view;

constexpr string_view kAsciiPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A letter A-E, or what is left of the text once it is cleaned.
string letter_or_text(string_view text) {
  static const Regex marked(R"(^([A-E])\.\s*(.+)$)", py::kIgnoreCase), alone(R"(\b([A-E])\b)", py::kIgnoreCase);
  if (const auto m = marked.match(py::strip(text))) return py::upper(m->group(1));
  const string line = py::replace(py::replace(text, "\n", " "), "\t", " ");
  const string plain = process_punctuation_mvbench(py::strip(line));
  string_view core = plain;
  for (const string_view mark : {"'", "\"", ")", "("}) core = py::strip(core, mark);
  string small = py::lower(py::strip(core));
  if (const auto m = alone.search(small)) return py::upper(m->group(1));
  return small;
}

/// Words without ASCII punctuation around them.
py::Views bare_words(string_view text) {
  py::Views out;
  for (const string_view word : py::split(text)) {
    const string_view bare = py::strip(word, kAsciiPunctuation);
    if (!bare.empty()) out.push_back(bare);
  }
  return out;
}

bool is_long(string_view word) { return py::length(word) > 2; }

bool mmvu_choice(string_view answer, const Options& choices, string_view prediction) {
  static const Regex alone(R"(\b([A-E])\b)", py::kIgnoreCase);
  const string_view reply = py::strip(prediction), gold = py::strip(answer);
  const auto first = alone.search(reply);
  if (first && py::upper(first->group(1)) == py::upper(gold)) return true;
  const bool somewhere = contains(py::upper(reply), py::upper(gold));
  if (somewhere && Regex("\\b" + py::escape(gold) + "\\b", py::kIgnoreCase).search(reply)) return true;
  const auto choice = std::find_if(choices.begin(), choices.end(), [&](const auto& c) { return c.first == gold; });
  if (choice == choices.end()) return false;
  const string text = py::lower(py::strip(choice->second)), small = py::lower(reply);
  if (contains(small, text)) return true;
  const py::Views words = bare_words(text);
  return somewhere &&
         std::any_of(words.begin(), words.end(), [&](string_view w) { return is_long(w) && contains(small, w); });
}

/// Lower case, superscript digits as ^n.
string math_text(string_view text) {
  constexpr string_view kSuperscripts[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  string out = py::lower(py::strip(text));
  for (size_t i = 0; i < std::size(kSuperscripts); ++i)
    out = py::replace(out, kSuperscripts[i], "^" + std::to_string(i));
  return out;
}

bool same_first_number(string_view a, string_view b) {
  constexpr double kTolerance = 0.01;
  static const Regex number(R"(\d+\.?\d*)");
  const auto x = number.search(a), y = number.search(b);
  if (!x || !y) return false;
  return std::abs(*py::to_float(x->group()) - *py::to_float(y->group())) < kTolerance;
}

bool same_complexity(string_view a, string_view b) {
  static const Regex big_o(R"(O\s*\([^)]+\))", py::kIgnoreCase);
  const auto x = big_o.search(a), y = big_o.search(b);
  return x && y && math_text(x->group()) == math_text(y->group());
}

bool mmvu_open(string_view answer, string_view prediction) {
  const string p = math_text(prediction), a = math_text(answer);
  const string reply = py::join(py::split(p), " "), gold = py::join(py::split(a), " ");
  if (contains(reply, gold) || contains(gold, reply)) return true;
  if (same_first_number(p, a)) return true;
  constexpr size_t kLeastWords = 2, kMostWords = 5;
  const py::Views gold_words = bare_words(gold), reply_words = bare_words(reply);
  const auto present = [&](string_view word) {
    return !is_long(word) || std::find(reply_words.begin(), reply_words.end(), word) != reply_words.end();
  };
  const bool few = gold_words.size() >= kLeastWords && gold_words.size() <= kMostWords;
  if (few && std::all_of(gold_words.begin(), gold_words.end(), present)) return true;
  return same_complexity(reply, gold);
}

}  // namespace

bool mvbench_mcq_acc(string_view prediction, string_view answer) {
  return letter_or_text(prediction) == letter_or_text(answer);
}

bool mmvu_rule(bool multiple_choice, string_view answer, const Options& choices, string_view prediction) {
  return multiple_choice ? mmvu_choice(answer, choices, prediction) : mmvu_open(answer, prediction);
}

}  // namespace glmv
