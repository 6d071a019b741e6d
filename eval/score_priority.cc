// mc_robust_priority: candidates in every form of a letter, ranked by form and then by place.
#include <algorithm>

#include "eval/score_choice.h"
#include "eval/text.h"

namespace glmv {
namespace {

using std::string;
using std::string_view;

struct Candidate {
  string letter;
  size_t place;
  int priority;
};

constexpr int kStart = 10, kEnd = 9, kPhrase = 7, kRoundBrackets = 6, kPeriod = 5, kColon = 4, kRightBracket = 3,
              kSpace = 2, kAnywhere = 0;

/// The last place of a form of each letter.
void add_last(string_view text, const std::vector<string>& letters, string_view before, string_view behind,
              int priority, std::vector<Candidate>& out) {
  for (const string& letter : letters) {
    const size_t at = text.rfind(string(before) + letter + string(behind));
    if (at != string_view::npos) out.push_back({letter, at, priority});
  }
}

/// Behind the first place of each phrase in the lower-cased text, the first place of each letter. Places are counted in
/// code points: lower-casing can change the number of bytes.
void add_behind_phrases(string_view text, const std::vector<string>& letters, std::vector<Candidate>& out) {
  constexpr string_view kPhrases[] = {"the answer is",
                                      "answer is",
                                      "the correct answer is",
                                      "correct answer is",
                                      "the best answer is",
                                      "best answer is",
                                      "the correct option is",
                                      "correct option is",
                                      "the best option is",
                                      "best option is",
                                      "the choice is",
                                      "choice is",
                                      "the correct choice is",
                                      "correct choice is",
                                      "i choose",
                                      "i select",
                                      "i pick",
                                      "my answer is",
                                      "my choice is",
                                      "옵션",
                                      "정답은",
                                      "답은",
                                      "답:",  // Korean: option, the right answer is, the answer is, answer
                                      "答案是",
                                      "答案为",
                                      "选",       // Chinese: the answer is, choose
                                      "答えは"};  // Japanese: the answer is
  const string small = py::lower(text);
  for (const string_view phrase : kPhrases) {
    const size_t at = small.find(phrase);
    if (at == string::npos) continue;
    const size_t after = py::length(string_view(small).substr(0, at)) + py::length(phrase);
    const size_t from = py::head(text, after).size();
    for (const string& letter : letters) {
      const size_t place = text.find(letter, from);
      if (place != string_view::npos) out.push_back({letter, place, kPhrase});
    }
  }
}

bool is_letter(string_view character) { return !character.empty() && py::is_alpha(py::decode(character)[0]); }

/// A letter at the start or the end that is not part of a word.
void add_ends(string_view text, const std::vector<string>& letters, std::vector<Candidate>& out) {
  const string_view core = py::strip(text);
  const size_t n = py::length(core);
  for (const string& letter : letters) {
    if (core.starts_with(letter) && (n == 1 || !is_letter(py::head(py::tail(core, 1), 1))))
      out.push_back({letter, 0, kStart});
  }
  for (const string& letter : letters) {
    if (core.ends_with(letter) && (n == 1 || !is_letter(py::head(py::tail(core, n - 2), 1))))
      out.push_back({letter, text.size() - 1, kEnd});
  }
}

}  // namespace

string mc_robust_priority(string_view response, const std::vector<string>& letters) {
  string_view core = py::strip(response);
  if (core.empty()) return "";
  for (const char mark : string_view(",.!?;:'\"")) core = py::strip(core, string_view(&mark, 1));
  const string text = " " + string(core) + " ";
  std::vector<Candidate> found;
  add_last(text, letters, "(", ")", kRoundBrackets, found);
  add_last(text, letters, "", ".", kPeriod, found);
  add_last(text, letters, "", ":", kColon, found);
  add_last(text, letters, "", ")", kRightBracket, found);
  add_last(text, letters, "", " ", kSpace, found);
  add_behind_phrases(text, letters, found);
  add_ends(text, letters, found);
  if (found.empty()) add_last(text, letters, "", "", kAnywhere, found);
  if (found.empty()) return "";
  return std::max_element(found.begin(), found.end(),
                          [](const Candidate& a, const Candidate& b) {
                            return std::pair(a.priority, a.place) < std::pair(b.priority, b.place);
                          })
      ->letter;
}

}  // namespace glmv
