// Jinja2 as transformers sets it up: trim_blocks and lstrip_blocks, no line statements.
#include "data/jinja_outline.h"

#include <algorithm>
#include <vector>

#include "reference/core/error.h"

namespace glmv {
namespace {

using std::string_view;

constexpr string_view kBlank = " \t\n\r\f\v";

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// A tag: {{ }}, {% %} or {# #}.
struct Tag {
  char kind = '{';  ///< the second character
  string_view inside;
  bool strip_before = false, strip_after = false;  ///< "-"
  bool keep_before = false;                        ///< "+": no lstrip_blocks
  bool keep_after = false;                         ///< "+": no trim_blocks
  size_t end = 0;                                  ///< behind it
};

/// Where the closing mark of the tag whose inside begins at `at` is; quotes hide marks.
size_t closing(string_view source, size_t at, char kind) {
  const std::string mark = {kind == '{' ? '}' : kind, '}'};
  char quote = 0;
  for (; at + 1 < source.size(); ++at) {
    const char c = source[at];
    if (quote != 0) {
      if (c == '\\')
        ++at;
      else if (c == quote)
        quote = 0;
    } else if (kind != '#' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (source.substr(at, 2) == mark) {
      return at;
    }
  }
  input_error("a tag {", kind, " without an end");
}

Tag read_tag(string_view source, size_t at) {
  Tag tag;
  tag.kind = source[at + 1];
  const size_t close = closing(source, at + 2, tag.kind);
  tag.end = close + 2;
  tag.inside = source.substr(at + 2, close - at - 2);
  const auto sign = [&](bool front, char c) {
    const bool there = !tag.inside.empty() && (front ? tag.inside.front() : tag.inside.back()) == c;
    if (there) front ? tag.inside.remove_prefix(1) : tag.inside.remove_suffix(1);
    return there;
  };
  tag.strip_before = sign(true, '-');
  tag.keep_before = !tag.strip_before && sign(true, '+');
  tag.strip_after = sign(false, '-');
  tag.keep_after = !tag.strip_after && tag.kind != '{' && sign(false, '+');
  return tag;
}

/// A string literal in single quotes, where that needs no escapes.
void append_literal(string_view literal, std::string& out) {
  const string_view body = literal.substr(1, literal.size() - 2);
  const bool plain = body.find_first_of("'\"\\") == string_view::npos;
  out += plain ? concat('\'', body, '\'') : std::string(literal);
}

/// The inside of a tag with one blank between words and none elsewhere.
std::string tokens_of(string_view inside) {
  std::string out;
  bool blank = false;
  for (size_t at = 0; at < inside.size();) {
    const char c = inside[at];
    if (kBlank.find(c) != string_view::npos) {
      blank = true;
      ++at;
      continue;
    }
    if (blank && !out.empty() && is_word(out.back()) && is_word(c)) out += ' ';
    blank = false;
    if (c != '\'' && c != '"') {
      out += c;
      ++at;
      continue;
    }
    size_t end = at + 1;
    while (end < inside.size() && inside[end] != c) end += inside[end] == '\\' ? 2 : 1;
    end = std::min(end + 1, inside.size());
    append_literal(inside.substr(at, end - at), out);
    at = end;
  }
  return out;
}

/// Takes white space off the end of a line that holds nothing else, as lstrip_blocks does.
void strip_line(std::string& text, bool at_start) {
  const size_t last = text.find_last_not_of(" \t");
  if (last == std::string::npos ? at_start : text[last] == '\n') text.erase(last + 1);
}

void strip_end(std::string& text) { text.erase(text.find_last_not_of(kBlank) + 1); }

}  // namespace

std::string jinja_outline(string_view source) {
  if (source.ends_with('\n')) source.remove_suffix(1);  // keep_trailing_newline is off
  std::string out, text;
  bool line_start = true;  // the text before began a line
  const auto flush = [&] {
    if (!text.empty()) out += concat('[', text.size(), ':', text, ']');
    text.clear();
  };
  size_t at = 0;
  while (at < source.size()) {
    size_t open = source.find('{', at);
    while (open != string_view::npos &&
           (open + 1 == source.size() || string_view("{%#").find(source[open + 1]) == string_view::npos))
      open = source.find('{', open + 1);
    std::string piece(source.substr(at, open == string_view::npos ? open : open - at));
    if (open == string_view::npos) {
      text += piece;
      break;
    }
    const Tag tag = read_tag(source, open);
    if (tag.strip_before)
      strip_end(piece);
    else if (tag.kind != '{' && !tag.keep_before)
      strip_line(piece, line_start);
    text += piece;
    if (tag.kind != '#') {
      flush();
      out += concat('{', tag.kind, tokens_of(tag.inside), '}');
    }
    at = tag.end;
    line_start = false;
    if (tag.strip_after) {
      const size_t next = source.find_first_not_of(kBlank, at);
      // Newlines that were stripped began a line for what follows.
      const size_t end = next == string_view::npos ? source.size() : next;
      line_start = source.substr(at, end - at).find('\n') != string_view::npos;
      at = end;
    } else if (tag.kind != '{' && !tag.keep_after && at < source.size() && source[at] == '\n') {
      ++at;
      line_start = true;
    }
  }
  flush();
  return out;
}

}  // namespace glmv
