#include "eval/score_choice.h"

#include <algorithm>
#include <array>

#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::contains;
using py::Regex;
using std::string;
using std::string_view;

bool has_letter(const Options& options, string_view letter) {
  return std::any_of(options.begin(), options.end(), [&](const auto& option) { return option.first == letter; });
}

bool refuses(string_view text) {
  constexpr std::array<string_view, 4> kRefusals = {
      "Sorry, I can't help with images of people yet.", "I can't process this file.",
      "I'm sorry, but without the image provided", "Cannot determine the answer"};
  return std::any_of(kRefusals.begin(), kRefusals.end(), [&](string_view r) { return contains(text, r); });
}

/// A letter among the last tokens, or one that "answer is" points at.
std::optional<string> infer_option(string_view prediction, const Options& options) {
  if (contains(prediction, "Failed to obtain answer via API")) return std::nullopt;
  if (refuses(prediction)) return "Z";
  string spaced(prediction);
  for (char& c : spaced) {
    if (string_view(".()[],:;!*#{}").find(c) != string_view::npos) c = ' ';
  }
  const py::Views tokens = py::split(spaced);
  const auto place = [&](string_view letter) { return std::find(tokens.begin(), tokens.end(), letter); };
  std::vector<string> present;
  for (const auto& [letter, text] : options) {
    if (place(letter) != tokens.end()) present.push_back(letter);
  }
  constexpr std::ptrdiff_t kLastTokens = 4;
  if (present.size() == 1 && tokens.end() - place(present[0]) <= kLastTokens) return present[0];
  if (present.empty() && place("Z") != tokens.end()) return "Z";
  static const Regex answer_is(R"((?:correct\s+)?answer\s+is\s+\**([ABCD])\**)", py::kIgnoreCase);
  if (const auto m = answer_is.search(prediction)) {
    const string letter = py::upper(m->group(1));
    if (has_letter(options, letter)) return letter;
  }
  return std::nullopt;
}

/// The one option whose text occurs in a reply that is not much longer than all options.
std::optional<string> infer_text(string_view prediction, const Options& options) {
  const string text = py::lower(prediction);
  size_t all = 0;
  for (const auto& option : options) all += py::length(option.second);
  if (py::length(text) > 2 * all) return std::nullopt;
  std::vector<string> found;
  for (const auto& [letter, option] : options) {
    if (contains(text, py::lower(option))) found.push_back(letter);
  }
  return found.size() == 1 ? std::optional(found[0]) : std::nullopt;
}

string without(string_view text, std::initializer_list<string_view> prefixes) {
  string out(text);
  for (const string_view prefix : prefixes) out = py::replace(out, prefix, "");
  return out;
}

string first_of(const Regex& pattern, string_view text) {
  const auto m = pattern.search(text);
  return m ? string(m->group()) : "";
}

}  // namespace

std::optional<string> mc_can_infer(string_view prediction, const Options& options) {
  const std::optional<string> letter = infer_option(prediction, options);
  return letter ? letter : infer_text(prediction, options);
}

string videomme_first_letter(string_view prediction) {
  static const Regex letter("[ABCD]");
  return first_of(
      letter, without(py::strip(prediction),
                      {"The best answer is", "The correct answer is", "The answer is", "The answer",
                       // two pairs that a missing comma made one each, so they never match what they should
                       "The best option isThe correct option is", "Best answer:Best option:", "Answer:", "Option:"}));
}

string treebench_first_letter(string_view prediction) {
  static const Regex letter("[ABCDE]");
  const string text =
      without(py::strip(prediction), {"The best answer is", "The correct answer is", "The answer is", "The answer",
                                      "The best option is", "The correct option is", "Best answer:", "Best option:"});
  const string found = first_of(letter, text);
  if (!found.empty()) return found;
  const string small = py::lower(text);
  for (const char c : {'a', 'b', 'c', 'd', 'e'}) {
    if (contains(string{'(', c, ')'}, small)) return py::upper(string{c});
  }
  return "";
}

string omnispatial_re(string_view prediction) {
  static const Regex answer(R"(Answer\s*:\s*([A-D])\b)", py::kIgnoreCase);
  const auto m = answer.last(prediction);
  return m ? string(m->group(1)) : "A";
}

string blink_leading_letter(string_view prediction) {
  static const Regex leading(R"(^[\(\s]*([A-Z])[\)\.\s]*)", py::kIgnoreCase);
  const string_view text = py::strip(prediction);
  const auto m = leading.match(text);
  return m ? py::upper(m->group(1)) : string(text);
}

string lvbench_polish(string_view answer) {
  string_view text = py::strip(answer);
  text = py::strip(text.substr(0, text.find(')')));
  if (const size_t open = text.find('('); open != string_view::npos) {
    text = text.substr(open + 1);
    text = py::strip(text.substr(0, text.find('(')));
  }
  text = text.substr(0, text.find(' '));
  return string(py::head(text, 1));
}

string motionbench_letter(string_view prediction) {
  static const Regex alone(R"(\b([A-F])\b)"), marked("([A-F])[.):]"), any("[A-F]");
  const string text =
      without(py::upper(py::strip(py::after_last(prediction, "</think>"))),
              {"THE BEST ANSWER IS", "THE CORRECT ANSWER IS", "THE ANSWER IS", "BEST ANSWER:", "ANSWER:"});
  if (const auto m = alone.search(text)) return string(m->group(1));
  if (const auto m = marked.search(text)) return string(m->group(1));
  return first_of(any, text);
}

bool mvbench_check_ans(string_view prediction, string_view answer) {
  const auto first_token = [](string_view text) {
    const string small = py::lower(text);
    return string(py::split(py::strip(small), " ")[0]);
  };
  const string p = first_token(prediction), g = first_token(answer);
  return contains(g, py::replace(p, ".", "")) || contains(p, g);
}

string mmmu_pro_cot_postproc(string_view response) {
  std::optional<string_view> last;
  for (const string_view line : py::split(py::strip(response), "\n")) {
    if (py::strip(line).starts_with("Answer:")) last = py::strip(line);
  }
  if (!last) return string(response);
  const string_view tail = last->substr(string_view("Answer:").size());
  string capitals;
  for (const char c : tail) {
    if (c >= 'A' && c <= 'Z' && !contains(capitals, string{c})) capitals += c;
  }
  return capitals.size() == 1 ? capitals : string(tail);
}

std::optional<string> wemath_letter_rule(string_view prediction) {
  static const Regex marks("[><:.]");
  const string cleaned = marks.replace(py::strip(py::after_last(prediction, "Answer")), "");
  const string_view first = py::head(py::strip(cleaned), 1);
  return !first.empty() && contains("ABCDEFGH", first) ? std::optional(string(first)) : std::nullopt;
}

}  // namespace glmv
