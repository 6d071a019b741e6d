// mc_tail_match: tags, then the last lines, then phrases, then the one stand-alone capital.
#include <algorithm>
#include <set>

#include "eval/regex.h"
#include "eval/score_choice.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::Regex;
using std::string;
using std::string_view;

constexpr size_t kTailLength = 800, kTailLines = 6;

std::optional<string> letter_of(const std::optional<py::Match>& m) {
  return m ? std::optional(py::upper(m->group(1))) : std::nullopt;
}

/// The one distinct letter that `pattern` finds.
std::optional<string> only_letter(const Regex& pattern, string_view text) {
  std::set<string> letters;
  for (const py::Match& m : pattern.all(text)) letters.insert(string(m.group(1)));
  return letters.size() == 1 ? std::optional(*letters.begin()) : std::nullopt;
}

const Regex& option_line() {
  static const Regex pattern(R"(^(?:[*_>\-\s]*)(?:option|选项)\s+[A-J]\s*[:：])", py::kIgnoreCase);
  return pattern;
}

/// The letter that an answer block begins with. Only what stands before the last end tag can be one.
std::optional<string> from_answer_block(string_view text) {
  static const Regex end(R"(<\s*/\s*answer\s*>)", py::kIgnoreCase);
  static const Regex block(R"(<\s*answer\b[^>]*>\s*([A-Ja-j])(?:\s*[\.．:：\)\]】、])?.*?<\s*/\s*answer\s*>)",
                           py::kIgnoreCase | py::kDotAll);
  const auto last = end.last(text);
  return last ? letter_of(block.search(text.substr(0, last->end()))) : std::nullopt;
}

/// str.splitlines()
py::Views lines_of(string_view text) {
  static const Regex end("\r\n|[\n\v\f\r\x1c\x1d\x1e]|\\x{85}|\\x{2028}|\\x{2029}");
  py::Views lines = end.split(text);
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

/// From the bottom of the last lines: a line that is a letter, one that begins with a marked letter, or one that holds
/// one stand-alone capital.
std::optional<string> from_last_lines(string_view text) {
  static const Regex single(R"(^\s*[*_`>（）\[\]【】\(\)]*\s*([A-Fa-f])\s*[*_`（）\[\]【】\(\)]*\s*$)");
  static const Regex labelled(R"(^\s*([A-F])\s*[\.．:：\)\]】、-]\s+)", py::kIgnoreCase);
  // Opening marks and blanks may stand between the look-behind and the letter; they never decide, so they are left out:
  // a run of them would be gone through once from each of its characters.
  static const Regex alone(R"((?<![A-Za-z])([A-F])\s*[*_`）\]\}\)]*(?=$|[\s\.,:;!?\)\]】》」』，。；、：）】》」』]))");
  const py::Views lines = lines_of(text);
  const size_t first = lines.size() > kTailLines ? lines.size() - kTailLines : 0;
  for (size_t i = lines.size(); i-- > first;) {
    const string_view line = py::strip(lines[i]);
    if (line.empty() || option_line().search(line)) continue;
    if (const auto letter = letter_of(single.full_match(line))) return letter;
    if (const auto letter = letter_of(labelled.match(line))) return letter;
    if (const auto letter = only_letter(alone, line)) return letter;
  }
  return std::nullopt;
}

string_view tail_of(string_view text) {
  const size_t n = py::length(text);
  return n > kTailLength ? py::tail(text, n - kTailLength) : text;
}

/// What follows the last </think>, else the last <think>, else everything.
string_view after_thinking(string_view text) {
  static const Regex end(R"(</\s*think\s*>)", py::kIgnoreCase), begin(R"(<\s*think\s*>)", py::kIgnoreCase);
  if (const auto m = end.last(text)) return py::strip(text.substr(m->end()));
  if (const auto m = begin.last(text)) return py::strip(text.substr(m->end()));
  return text;
}

std::optional<string> from_phrases(string_view text) {
  static const Regex phrase(
      "(?:final\\s*answer|the\\s*answer\\s*is|answer(?:\\s*is)?|correct\\s*answer|答案|最终答案|结论|所以|因此|"
      "我选(?:择)?|选择|选)\\s*(?:[:：>＝=]\\s*)?(?:[\\(\\[\\{（【]\\s*)?([ABCDEF])\\s*[\\)\\]\\}）】]?(?:\\b|[.)、。]"
      ")",
      py::kIgnoreCase);
  return letter_of(phrase.search(text));
}

std::optional<string> from_capitals(string_view text) {
  static const Regex capital(R"((?<![A-Za-z])([ABCDEF])\s*[\)\]\}）】]?(?![A-Za-z]))");
  py::Views kept;
  for (const string_view line : lines_of(text)) {
    if (!option_line().search(line)) kept.push_back(line);
  }
  const string cleaned = py::join(kept, "\n");
  return only_letter(capital, cleaned);
}

}  // namespace

std::optional<string> mc_tail_match(string_view prediction) {
  static const Regex zero_width(R"([\x{200b}\x{200c}\x{200d}\x{feff}])");
  static const Regex before_answer(R"((?<![A-Za-z])[\(\[\{（【]?\s*([ABCDEF])\s*[\)\]\}）】]?\s*</\s*answer\s*>)",
                                   py::kIgnoreCase);
  static const Regex before_think(R"((?<![A-Za-z])[\(\[\{（【]?\s*([ABCDEF])\s*[\)\]\}）】]?\s*</\s*think\s*>)",
                                  py::kIgnoreCase);
  const string text = zero_width.replace(py::strip(prediction), "");
  if (const auto letter = from_answer_block(text)) return letter;
  for (const Regex* pattern : {&before_answer, &before_think}) {
    if (const auto letter = letter_of(pattern->search(tail_of(text)))) return letter;
  }
  if (const auto letter = from_last_lines(after_thinking(text))) return letter;
  if (const auto letter = from_last_lines(tail_of(text))) return letter;
  if (const auto letter = from_phrases(text)) return letter;
  return from_capitals(text);
}

}  // namespace glmv
