#include "eval/score_answer.h"

#include <algorithm>
#include <optional>

#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {
namespace {

using std::string;
using std::string_view;

/// Bytes of `text` up to the brace that closes an open one, escaped braces counted like others; all if none does.
size_t closing_brace(string_view text) {
  size_t depth = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return text.size();
}

py::Strings latex_boxes(string_view text) {
  constexpr string_view kBoxed = "\\boxed{";
  py::Strings found;
  for (size_t at = text.find(kBoxed); at != string_view::npos; at = text.find(kBoxed)) {
    text.remove_prefix(at + kBoxed.size());
    const size_t end = closing_brace(text);
    found.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return found;
}

py::Strings token_boxes(string_view text) {
  constexpr string_view kBegin = "<|begin_of_box|>", kEnd = "<|end_of_box|>";
  py::Strings found;
  size_t depth = 0, start = 0;
  for (size_t at = 0; (at = text.find("<|", at)) != string_view::npos;) {
    if (text.substr(at).starts_with(kBegin)) {
      at += kBegin.size();
      if (depth++ == 0) start = at;
    } else if (text.substr(at).starts_with(kEnd)) {
      if (depth > 0 && --depth == 0) found.emplace_back(py::strip(text.substr(start, at - start)));
      at += kEnd.size();
    } else {
      ++at;
    }
  }
  return found;
}

/// Blocks from `begin` to the next `end` taken out; if only end tags are there, everything up to the last.
string without_blocks(string text, string_view begin, string_view end) {
  if (!py::contains(text, begin)) return string(py::after_last(text, end));
  string out;
  string_view rest = text;
  for (;;) {
    const size_t from = rest.find(begin);
    const size_t to = from == string_view::npos ? from : rest.find(end, from + begin.size());
    if (to == string_view::npos) return out.append(rest);
    out.append(rest.substr(0, from));
    rest.remove_prefix(to + end.size());
  }
}

}  // namespace

std::vector<string> glm_box_extract(string_view text) {
  py::Strings boxes = latex_boxes(text);
  return boxes.empty() ? token_boxes(text) : boxes;
}

string without_reasoning_lmms(string_view text) {
  const string kept = without_blocks(without_blocks(string(text), "<think>", "</think>"), "<analysis>", "</analysis>");
  return string(py::strip(kept));
}

string without_reasoning_vlmevalkit(string_view text) {
  return py::contains(text, "</think>") ? string(py::strip(py::after_last(text, "</think>"))) : string(text);
}

SampleAccuracy glm_failed_sample_rule(const std::vector<Sample>& samples) {
  constexpr double kLeastSuccess = 0.95;
  const auto answered =
      static_cast<double>(std::count_if(samples.begin(), samples.end(), [](const Sample& s) { return s.answered; }));
  const auto right = static_cast<double>(
      std::count_if(samples.begin(), samples.end(), [](const Sample& s) { return s.answered && s.correct; }));
  SampleAccuracy out;
  if (answered > 0) out.accuracy = 100 * right / answered;
  if (!samples.empty()) out.success_rate = answered / static_cast<double>(samples.size());
  out.reportable = out.success_rate >= kLeastSuccess;
  return out;
}

}  // namespace glmv
