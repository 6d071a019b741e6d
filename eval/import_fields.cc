#include "eval/import_fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/json_file.h"
#include "eval/literal.h"
#include "eval/rule.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using nlohmann::json;

std::string letter(size_t i) { return std::string(1, static_cast<char>('A' + i)); }

/// "A. red" for A, "B. blue" for B ...: the data set wrote the letters itself.
bool has_own_letters(const std::vector<std::string>& texts) {
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!texts[i].starts_with(letter(i) + ". ")) return false;
  }
  return !texts.empty();
}

Options lettered(const std::vector<std::string>& texts, const JsonNode& node) {
  constexpr size_t kMost = 26;
  if (texts.size() > kMost) node.refuse("at most 26 options");
  const size_t skip = has_own_letters(texts) ? 3 : 0;
  Options out;
  for (size_t i = 0; i < texts.size(); ++i) out.emplace_back(letter(i), texts[i].substr(skip));
  return out;
}

/// "['red', 'blue']"; nothing for any other text.
std::optional<std::vector<std::string>> literal_list(const std::string& text) {
  const std::optional<py::Value> value = py::literal(text);
  if (!value || (value->kind != py::Value::Kind::list && value->kind != py::Value::Kind::tuple)) return std::nullopt;
  std::vector<std::string> out;
  out.reserve(value->items.size());
  for (const py::Value& item : value->items) out.push_back(py::str(item));
  return out;
}

/// "(B)", "B.", "B: " -> "B"; "" for any other text.
std::string bare_letter(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (std::string_view("().: ").find(c) == std::string_view::npos) out += c;
  return out.size() == 1 && out[0] >= 'A' && out[0] <= 'Z' ? out : "";
}

bool has(const Options& options, const std::string& wanted) {
  return std::any_of(options.begin(), options.end(), [&](const auto& o) { return o.first == wanted; });
}

json parse_line(const std::string& line, const std::string& where, const char* wanted) {
  constexpr size_t kShown = 40;
  if (const std::string_view text = py::strip(line); !text.starts_with('{'))
    input_error(where, ": \"", py::head(text, kShown), "\" is no JSON object; wanted is a JSON list or lines of ",
                wanted);
  return parse_json(line, where);
}

}  // namespace

std::string scalar_text(const JsonNode& node) {
  if (node.value.is_number()) return node.value.dump();
  if (!node.value.is_string()) node.refuse("a string or a number");
  return node.text();
}

std::vector<std::string> scalar_texts(const JsonNode& node) {
  if (!node.value.is_array()) return {scalar_text(node)};
  std::vector<std::string> out;
  for (const JsonNode& one : node.list()) out.push_back(scalar_text(one));
  if (out.empty()) node.refuse("an answer");
  return out;
}

Options any_options(const JsonNode& node) {
  if (node.value.is_string()) {
    const auto texts = literal_list(node.text());
    if (!texts) node.refuse("a list of options");
    return lettered(*texts, node);
  }
  if (!node.value.is_object()) {
    std::vector<std::string> texts;
    for (const JsonNode& one : node.list()) texts.push_back(scalar_text(one));
    return lettered(texts, node);
  }
  Options out;
  for (const auto& [name, text] : node.value.items())
    if (!text.is_null()) out.emplace_back(name, scalar_text({text, concat(node.where, '.', name)}));
  return out;
}

std::vector<std::string> golds_for(const Options& options, std::vector<std::string> golds) {
  for (std::string& gold : golds) {
    const auto same = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.second == gold; });
    if (has(options, gold)) continue;
    if (same != options.end())
      gold = same->first;
    else if (const std::string bare = bare_letter(gold); has(options, bare))
      gold = bare;
  }
  return golds;
}

void add_groups(const json& object, const std::set<std::string>& taken, StoredRow& row) {
  constexpr size_t kLongest = 60;
  for (const auto& [name, value] : object.items()) {
    if (taken.count(name) > 0 || !(value.is_string() || value.is_number() || value.is_boolean())) continue;
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (py::length(text) <= kLongest) row.groups.emplace(name, std::move(text));
  }
}

void for_each_object(const std::string& path, const char* wanted, const std::function<void(const JsonNode&)>& row) {
  const std::string text = read_file(path);
  if (py::strip(text).starts_with('[')) {
    const json content = parse_json(text, path);
    for (const JsonNode& node : JsonNode{content, concat(path, ":")}.list()) row(node);
    return;
  }
  size_t number = 0;
  for (const std::string_view line : py::split(text, "\n")) {
    ++number;
    if (py::strip(line).empty()) continue;
    const std::string where = concat(path, " line ", number);
    const json content = parse_line(std::string(line), where, wanted);
    row({content, where});
  }
}

}  // namespace glmv
