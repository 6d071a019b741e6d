// Generated text -> thinking, answer, boxed results, picture boxes. Takes what is written and guesses nothing: a
// cut-off thought has no answer, a group of numbers that is not exactly four long is not a box.
#include <charconv>
#include <optional>
#include <system_error>

#include "data/chat.h"
#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using std::string_view;

constexpr string_view kThinkBegin = "<think>";
constexpr string_view kThinkEnd = "</think>";
constexpr string_view kAnswerBegin = "<answer>";
constexpr string_view kAnswerEnd = "</answer>";
constexpr string_view kBoxBegin = "<|begin_of_box|>";
constexpr string_view kBoxEnd = "<|end_of_box|>";
constexpr string_view kBoxed = "\\boxed{";

string_view without_leading_newline(string_view text) {
  if (text.starts_with('\n')) text.remove_prefix(1);
  return text;
}

/// What lies inside <answer>, which older models write; the closing tag may have been the stop token.
string_view inside_answer_tags(string_view text) {
  const size_t begin = text.find(kAnswerBegin);
  if (begin == string_view::npos) return text;
  text.remove_prefix(begin + kAnswerBegin.size());
  return without_leading_newline(text.substr(0, text.find(kAnswerEnd)));
}

struct Parts {
  string_view thinking, rest;
  bool closed;
};

/// Cuts at the first </think>. A text without any tag is an answer without thinking.
Parts cut_thinking(string_view text) {
  const size_t end = text.find(kThinkEnd);
  const size_t begin = text.substr(0, end).find(kThinkBegin);
  if (end == string_view::npos && begin == string_view::npos) return {{}, text, true};
  const size_t from = begin == string_view::npos ? 0 : begin + kThinkBegin.size();
  if (end == string_view::npos) return {text.substr(from), {}, false};
  return {text.substr(from, end - from), text.substr(end + kThinkEnd.size()), true};
}

/// The bodies of all balanced \boxed{...}; one inside another is part of the outer.
std::vector<std::string> latex_boxes(string_view text) {
  std::vector<std::string> found;
  std::vector<size_t> open;  // for each open brace where the body of \boxed begins, 0 for any other brace
  size_t inside = 0;         // open braces that are \boxed ones
  for (size_t i = 0; i < text.size(); ++i) {
    const bool boxed =
        text[i] == '{' && i + 1 >= kBoxed.size() && text.substr(i + 1 - kBoxed.size()).starts_with(kBoxed);
    if (boxed) {
      open.push_back(i + 1);
      ++inside;
    } else if (text[i] == '{') {
      open.push_back(0);
    } else if (text[i] == '}' && !open.empty()) {
      const size_t begin = open.back();
      open.pop_back();
      if (begin != 0 && --inside == 0) found.emplace_back(strip(text.substr(begin, i - begin)));
    }
  }
  return found;
}

/// The outermost spans between box markers.
std::vector<std::string> marked_boxes(string_view text) {
  std::vector<std::string> found;
  std::vector<size_t> open;
  for (size_t i = 0; i < text.size();) {
    const string_view here = text.substr(i);
    if (here.starts_with(kBoxBegin)) {
      open.push_back(i += kBoxBegin.size());
    } else if (here.starts_with(kBoxEnd)) {
      if (open.size() == 1) found.emplace_back(strip(text.substr(open.back(), i - open.back())));
      if (!open.empty()) open.pop_back();
      i += kBoxEnd.size();
    } else {
      ++i;
    }
  }
  return found;
}

// --- boxes of four numbers ---

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

void skip_blanks(string_view text, size_t& at) {
  while (at < text.size() && is_blank(text[at])) ++at;
}

/// A decimal number with optional sign and fraction; leading zeros are fine, exponents are not part of it.
std::optional<double> read_number(string_view text, size_t& at) {
  size_t end = at;
  if (end < text.size() && (text[end] == '-' || text[end] == '+')) ++end;
  const size_t digits = end;
  while (end < text.size() && is_digit(text[end])) ++end;
  if (end == digits) return std::nullopt;
  if (end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1])) {
    for (++end; end < text.size() && is_digit(text[end]);) ++end;
  }
  const size_t begin = text[at] == '+' ? at + 1 : at;  // from_chars knows no plus
  double value = 0;
  const auto result = std::from_chars(text.data() + begin, text.data() + end, value, std::chars_format::fixed);
  if (result.ec != std::errc()) return std::nullopt;
  at = end;
  return value;
}

/// Numbers with commas between them, as far as they go.
std::vector<double> read_row(string_view text, size_t& at) {
  std::vector<double> row;
  while (const std::optional<double> number = read_number(text, at)) {
    row.push_back(*number);
    size_t next = at;
    skip_blanks(text, next);
    if (next == text.size() || text[next] != ',') break;
    skip_blanks(text, ++next);
    if (next == text.size() || (!is_digit(text[next]) && text[next] != '-' && text[next] != '+')) break;
    at = next;
  }
  return row;
}

/// A row counts only as a whole: up to a bracket, a box marker, or the end of the text on either side.
bool opens(string_view before) {
  while (!before.empty() && is_blank(before.back())) before.remove_suffix(1);
  return before.empty() || before.ends_with(kBoxBegin) || string_view("[(<{").find(before.back()) != string_view::npos;
}
bool closes(string_view after) {
  while (!after.empty() && is_blank(after.front())) after.remove_prefix(1);
  return after.empty() || after.starts_with(kBoxEnd) || string_view("])>}").find(after.front()) != string_view::npos;
}

}  // namespace

Answer parse_answer(std::string_view text, bool thinking_in_prompt) {
  // With the think block closed in the prompt, a tag counts only where the model opens a block of its own.
  const bool plain = thinking_in_prompt && !strip(text).starts_with(kThinkBegin);
  const Parts parts = plain ? Parts{{}, text, true} : cut_thinking(text);
  Answer answer;
  answer.thinking = without_leading_newline(parts.thinking);
  answer.thinking_closed = parts.closed;
  answer.answer = inside_answer_tags(without_leading_newline(parts.rest));
  answer.boxed = latex_boxes(answer.answer);
  if (answer.boxed.empty()) answer.boxed = marked_boxes(answer.answer);
  return answer;
}

std::vector<std::array<double, 4>> parse_boxes(std::string_view text) {
  std::vector<std::array<double, 4>> boxes;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const std::vector<double> row = read_row(text, at);
    if (row.size() == 4 && opens(text.substr(0, begin)) && closes(text.substr(at))) {
      boxes.push_back({row[0], row[1], row[2], row[3]});
    }
    // No number here; digits too many for one are passed over as a whole.
    if (at == begin) ++at;
    while (is_digit(text[at - 1]) && at < text.size() && is_digit(text[at])) ++at;
  }
  return boxes;
}

std::array<double, 4> box_to_pixels(const std::array<double, 4>& box, int64_t width, int64_t height) {
  GLMV_CHECK(width > 0 && height > 0, "the picture is ", width, " x ", height);
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  return {box[0] * w / 1000, box[1] * h / 1000, box[2] * w / 1000, box[3] * h / 1000};
}

}  // namespace glmv
