#include "eval/row_fields.h"

#include <charconv>

#include "data/json_file.h"
#include "data/json_node.h"
#include "data/utf8.h"
#include "eval/python_literal.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

constexpr size_t kMostOptions = 26;
constexpr int64_t kCircularStep = 1000000;  // MMBench: the k-th shifted copy of a question has its index + k times this

std::string letter_of(size_t i) { return std::string(1, static_cast<char>('A' + i)); }

template <class T>
T parse_number(const Json& cell, const std::string& where, const char* wanted) {
  if (cell.is_number()) return cell.get<T>();
  const std::string text(strip(text_of(cell)));
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) JsonNode{cell, where}.refuse(wanted);
  return value;
}

Json literal(const Json& cell, const std::string& where) {
  if (!cell.is_string()) return cell;
  const auto value = parse_python_literal(cell.get<std::string>());
  if (!value) JsonNode{cell, where}.refuse("a Python literal");
  return *value;
}

Json as_list(const Json& cell) {
  if (cell.is_array()) return cell;
  if (cell.is_string()) {
    const auto value = parse_python_literal(cell.get<std::string>());
    if (value && value->is_array()) return *value;
  }
  return Json::array({cell});
}

/// "A. text" for A, "B. text" for B ...: the data set wrote the letters itself.
bool has_own_letters(const Json& options) {
  for (size_t i = 0; i < options.size(); ++i) {
    if (!text_of(options[i]).starts_with(letter_of(i) + ". ")) return false;
  }
  return !options.empty();
}

Json by_letters(const Json& cell, const std::string& where) {
  const Json options = as_list(cell);
  if (options.size() > kMostOptions) input_error(where, ": ", options.size(), " options, at most ", kMostOptions, " have letters");
  const size_t skip = has_own_letters(options) ? 3 : 0;
  Json out = Json::object();
  for (size_t i = 0; i < options.size(); ++i) out[letter_of(i)] = text_of(options[i]).substr(skip);
  return out;
}

Json option_columns(const Json& row, const Field& field) {
  Json out = Json::object();
  for (size_t i = 0; i < field.columns.size(); ++i) {
    const auto found = row.find(field.columns[i]);
    if (found != row.end() && !text_of(*found).empty()) out[letter_of(i)] = text_of(*found);
  }
  return out;
}

/// The letter of the option that reads like the cell.
std::string option_letter(const Json& cell, const Json& values, const std::string& where) {
  const auto choices = values.find("choices");
  if (choices == values.end() || !choices->is_object()) input_error(where, ": there are no choices to look it up in");
  for (const auto& [letter, text] : choices->items()) {
    if (text == text_of(cell)) return letter;
  }
  JsonNode{cell, where}.refuse("one of the options");
}

std::string letter_at(const Json& cell, const std::string& where) {
  const auto index = parse_number<int64_t>(cell, where, "the number of an option");
  if (index < 0 || index >= static_cast<int64_t>(kMostOptions)) JsonNode{cell, where}.refuse("the number of an option");
  return letter_of(static_cast<size_t>(index));
}

Json convert(const Json& cell, const Field& f, const Json& values, const std::string& where) {
  if (f.as == "integer") return parse_number<int64_t>(cell, where, "an integer");
  if (f.as == "circular_group") return parse_number<int64_t>(cell, where, "an integer") % kCircularStep;
  if (f.as == "number") return parse_number<double>(cell, where, "a number");
  if (f.as == "literal") return literal(cell, where);
  if (f.as == "list") return as_list(cell);
  if (f.as == "json") return cell.is_string() ? parse_json(cell.get<std::string>(), where) : cell;
  if (f.as == "letters") return by_letters(cell, where);
  if (f.as == "option_index") return letter_at(cell, where);
  if (f.as == "option_text") return option_letter(cell, values, where);
  if (f.as == "lettered") return concat('(', option_letter(cell, values, where), ") ", text_of(cell));
  return text_of(cell);
}

void convert_field(const Json& row, const Field& f, const std::string& where, Json& values) {
  if (f.as == "option_columns") {
    values[f.name] = option_columns(row, f);
    return;
  }
  const auto found = row.find(f.column);
  const bool absent = found == row.end() || found->is_null() || (found->is_string() && found->get_ref<const std::string&>().empty());
  if (absent && !f.optional) input_error(where, ": ", f.column, found == row.end() ? " is missing" : " is empty");
  if (absent) {
    values[f.name] = f.as == "letters" ? Json::object() : Json();
    return;
  }
  const std::string place = concat(where, ": ", f.column);
  values[f.name] = convert(*found, f, values, place);
  if (f.values.empty()) return;
  for (const std::string& allowed : f.values) {
    if (values[f.name] == allowed) return;
  }
  JsonNode{values[f.name], place}.refuse("a value this benchmark has");
}

}  // namespace

Json convert_row(const Json& row, const std::vector<Field>& fields, const std::string& where) {
  Json values = Json::object();
  for (const Field& f : fields) {
    if (f.name == "choices") convert_field(row, f, where, values);  // others look letters up in them
  }
  for (const Field& f : fields) {
    if (f.name != "choices") convert_field(row, f, where, values);
  }
  return values;
}

}  // namespace glmv::eval
