#include "eval/score_mmmu.h"

#include <algorithm>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::contains;
using py::Regex;
using std::string;
using std::string_view;

/// Where the last occurrence of a letter's form stands; npos is below every place.
using Place = std::ptrdiff_t;
Place last_place(string_view text, const string& part) {
  const size_t at = text.rfind(part);
  return at == string_view::npos ? -1 : static_cast<Place>(at);
}

string padded(string_view response) {
  for (const char mark : string_view(",.!?;:'")) response = py::strip(response, string_view(&mark, 1));
  return " " + string(response) + " ";
}

struct Form {
  string_view before, behind;
  string of(const string& letter) const { return string(before) + letter + string(behind); }
};
constexpr Form kBrackets{"(", ")"}, kAlone{" ", " "}, kSpace{"", " "}, kPeriod{"", "."}, kColon{"", ":"};

py::Strings with_form(string_view text, const Options& options, const Form& form) {
  py::Strings out;
  for (const auto& option : options) {
    if (contains(text, form.of(option.first))) out.push_back(option.first);
  }
  return out;
}

/// The candidate with the last place; of equal places the first candidate.
template <class PlaceOf>
string last_one(const py::Strings& candidates, PlaceOf place) {
  return *std::max_element(candidates.begin(), candidates.end(),
                           [&](const string& a, const string& b) { return place(a) < place(b); });
}

string last_by_form(string_view text, const py::Strings& candidates, const Form& form) {
  return last_one(candidates, [&](const string& letter) { return last_place(text, form.of(letter)); });
}

/// Options whose text occurs, in replies of more than five words; the last one.
std::optional<string> by_text(string_view text, const Options& options) {
  constexpr size_t kFewWords = 5;
  if (py::split(text).size() <= kFewWords) return std::nullopt;
  const string small = py::lower(text);
  py::Strings found;
  for (const auto& [letter, option] : options) {
    if (contains(small, py::lower(option))) found.push_back(letter);
  }
  if (found.empty()) return std::nullopt;
  return last_one(found, [&](const string& letter) {
    const auto option = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.first == letter; });
    return last_place(small, py::lower(option->second));
  });
}

/// "(X)", else the given forms one after the other, else the texts.
std::optional<string> parse_letter(string_view response, const Options& options, const std::vector<Form>& forms) {
  const string text = padded(response);
  if (const py::Strings found = with_form(text, options, kBrackets); !found.empty())
    return last_by_form(text, found, kBrackets);
  for (const Form& form : forms) {
    // Whatever form found them, several are told apart by " X ".
    if (const py::Strings found = with_form(text, options, form); !found.empty())
      return last_by_form(text, found, kAlone);
  }
  return by_text(text, options);
}

const py::Views& key_phrases(OpenPhrases phrases) {
  static const py::Views eight = {"could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "};
  static const py::Views all = [] {
    py::Views out = eight;
    for (const string_view more :
         {"are ", "in total ", "total ", "identify ", "recognize ", "calculated as ", "counted as ", "measured as ",
          "observed as ", "concluded as ", "found to be ", "equals ", "determined to be ", "number of ", "value is ",
          "adds up to ", "have ", "has "})
      out.push_back(more);
    return out;
  }();
  return phrases == OpenPhrases::eight ? eight : all;
}

/// The shortest text behind the last occurrence of any phrase; an empty one gives way to any later one.
string_view shortest_tail(string_view line, const py::Views& phrases) {
  string_view shortest;
  for (const string_view phrase : phrases) {
    const size_t at = line.rfind(phrase);
    if (at == string_view::npos) continue;
    const string_view tail = py::strip(line.substr(at + phrase.size()));
    if (shortest.empty() || py::length(tail) < py::length(shortest)) shortest = tail;
  }
  return shortest;
}

py::Strings key_tails(string_view response, OpenPhrases phrases) {
  const string text = py::lower(py::strip(py::strip(response), "."));
  py::Views known = key_phrases(phrases);
  const py::Views lines = py::split(text, "\n");
  py::Strings tails;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i + 1 == lines.size()) known.push_back("=");
    const string_view tail = shortest_tail(lines[i], known);
    const bool trivial = tail.size() == 1 && contains(":,.!?;'", tail);
    if (!tail.empty() && !trivial) tails.emplace_back(tail);
  }
  return tails.empty() ? py::Strings{text} : tails;
}

py::Strings numbers_in(string_view text) {
  static const Regex forms[] = {Regex(R"(-?\b\d{1,3}(?:,\d{3})+\b)"), Regex(R"(-?\d+(?:\.\d+)?[eE][+-]?\d+)"),
                                Regex(R"(-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d]))")};
  py::Strings out;
  for (const Regex& form : forms) {
    for (const py::Match& m : form.all(text)) out.emplace_back(m.group());
  }
  return out;
}

}  // namespace

std::optional<string> mmmu_mc_parse(string_view response, const Options& options) {
  return parse_letter(response, options, {kSpace, kPeriod});
}

std::optional<string> mmmu_mc_parse_official(string_view response, const Options& options) {
  return parse_letter(response, options, {kAlone});
}

string videommmu_mc_parse(string_view response, const Options& options) {
  const string_view reply = py::strip(py::after_last(response, "Answer:"));
  if (reply.empty() || reply == "API Error") return "API Error";
  const string text = padded(reply);
  const py::Strings periods = with_form(text, options, kPeriod), colons = with_form(text, options, kColon);
  if (!periods.empty() || !colons.empty()) {
    py::Strings all = periods;
    all.insert(all.end(), colons.begin(), colons.end());
    return last_by_form(text, all, periods.empty() ? kColon : kPeriod);
  }
  if (const py::Strings found = with_form(text, options, kBrackets); !found.empty())
    return last_by_form(text, found, kBrackets);
  if (const py::Strings found = with_form(text, options, kSpace); !found.empty())
    return last_by_form(text, found, kAlone);
  return by_text(text, options).value_or("No Answere Found");
}

Normalized mmmu_normalize(string_view text) {
  const string_view core = py::strip(text);
  if (const auto number = py::to_float(py::replace(core, ",", ""))) return {py::round(*number, 2)};
  const string small = py::lower(core);
  if (py::length(small) == 1) return {" " + small, small + " "};  // so that a letter is not found in every word
  return {small};
}

Normalized mmmu_open_parse(string_view response, OpenPhrases phrases) {
  const py::Strings tails = key_tails(response, phrases);
  py::Strings found = tails;
  for (const string& tail : tails) {
    for (string& number : numbers_in(tail)) found.push_back(std::move(number));
  }
  Normalized out;
  for (const string& text : found) {
    for (auto& value : mmmu_normalize(text)) out.push_back(std::move(value));
  }
  return out;
}

bool mmmu_open_equal(const Normalized& parsed, const std::vector<string>& golds) {
  Normalized wanted;
  for (const string& gold : golds) {
    for (auto& value : mmmu_normalize(gold)) wanted.push_back(std::move(value));
  }
  const auto right = [&](const auto& got) {
    return std::any_of(wanted.begin(), wanted.end(), [&](const auto& gold) {
      if (got.index() != gold.index()) return false;
      if (const double* number = std::get_if<double>(&got)) return *number == std::get<double>(gold);
      return contains(std::get<string>(got), std::get<string>(gold));
    });
  };
  return std::any_of(parsed.begin(), parsed.end(), right);
}

}  // namespace glmv
