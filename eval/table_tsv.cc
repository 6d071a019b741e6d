#include <set>

#include "data/utf8.h"
#include "eval/table.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

/// Reads cells one after the other and counts lines for messages.
class TsvReader {
 public:
  TsvReader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  bool at_end() const { return at_ >= text_.size(); }
  int64_t line() const { return line_; }

  std::vector<std::string_view> row() {
    std::vector<std::string_view> cells;
    while (true) {
      cells.push_back(cell());
      if (at_end()) return cells;
      const char c = text_[at_++];
      if (c == '\t') continue;
      if (c == '\r' && !at_end() && text_[at_] == '\n') ++at_;
      ++line_;
      return cells;
    }
  }

 private:
  std::string_view cell() {
    if (at_end()) return {};
    if (text_[at_] == '"') return quoted_cell();
    const size_t end = std::min(text_.find_first_of("\t\n\r", at_), text_.size());
    const std::string_view cell = text_.substr(at_, end - at_);
    at_ = end;
    return cell;
  }

  std::string_view quoted_cell() {
    const size_t begin = at_++;
    const int64_t first_line = line_;
    while (true) {
      const size_t quote = text_.find('"', at_);
      if (quote == std::string_view::npos) input_error(path_, " line ", first_line, ": a quoted cell has no end");
      for (size_t i = at_; i < quote; ++i) line_ += text_[i] == '\n';
      at_ = quote + 1;
      if (at_end() || text_[at_] != '"') break;
      ++at_;
    }
    if (!at_end() && std::string_view("\t\n\r").find(text_[at_]) == std::string_view::npos)
      input_error(path_, " line ", line_, ": text behind the closing quote of a cell");
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

/// As the toolkit compares names: lower case, but A to Z alone are option columns.
std::string column_name(std::string name) {
  if (name.size() == 1) return name;
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name;
}

}  // namespace

std::string_view cell_slice(std::string_view raw) {
  return raw.size() >= 2 && raw.front() == '"' ? raw.substr(1, raw.size() - 2) : raw;
}

std::string cell_text(std::string_view raw) {
  const std::string_view inside = cell_slice(raw);
  if (inside.size() == raw.size()) return std::string(raw);
  std::string out;
  for (size_t i = 0; i < inside.size(); ++i) {
    out += inside[i];
    if (inside[i] == '"') ++i;  // doubled
  }
  return out;
}

TsvTable read_tsv(const std::string& path) {
  TsvTable table{path, MappedFile::open(path), {}, {}};
  std::string_view text = table.file.text();
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (const size_t wrong = utf8_first_error(text); wrong != std::string::npos)
    input_error(path, ": not UTF-8: byte ", wrong, " does not belong there");
  if (text.empty()) input_error(path, ": empty; a header of column names is wanted");
  TsvReader reader(text, path);
  std::set<std::string> seen;
  for (const std::string_view cell : reader.row()) {
    table.columns.push_back(column_name(cell_text(cell)));
    if (!seen.insert(table.columns.back()).second)
      input_error(path, ": column ", table.columns.back(), " is there twice");
  }
  while (!reader.at_end()) {
    const int64_t line = reader.line();
    std::vector<std::string_view> row = reader.row();
    if (row.size() == 1 && row[0].empty()) continue;  // pandas skips blank lines
    if (row.size() != table.columns.size())
      input_error(path, " line ", line, ": ", row.size(), " cells, the header has ", table.columns.size());
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace glmv::eval
