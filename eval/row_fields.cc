#include "eval/row_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <type_traits>

#include "data/file.h"
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

/// An integer of 64 bits, also if it is written as 1.0.
bool is_whole(const Json& number) {
  constexpr double kMost = 9007199254740992;  // from here on doubles are all whole
  if (number.is_number_unsigned()) return number.get<uint64_t>() <= INT64_MAX;
  if (number.is_number_integer()) return true;
  const double value = number.get<double>();
  return std::abs(value) < kMost && std::trunc(value) == value;
}

template <class T>
T parse_number(const Json& cell, const std::string& where, const char* wanted) {
  if (cell.is_number()) {
    if (std::is_integral_v<T> && !is_whole(cell)) JsonNode{cell, where}.refuse(wanted);
    return cell.get<T>();
  }
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
  if (cell.is_object()) JsonNode{cell, where}.refuse("a list of options");
  const Json options = as_list(cell);
  if (options.size() > kMostOptions)
    input_error(where, ": ", options.size(), " options, at most ", kMostOptions, " have letters");
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

/// A column, or a member of the object in one.
const Json* find_column(const Json& row, const std::string& column) {
  if (const auto found = row.find(column); found != row.end()) return &*found;
  const size_t dot = column.find('.');
  if (dot == std::string::npos) return nullptr;
  const auto object = row.find(column.substr(0, dot));
  if (object == row.end() || !object->is_object()) return nullptr;
  const auto member = object->find(column.substr(dot + 1));
  return member == object->end() ? nullptr : &*member;
}

std::string joined(const Json& row, const Field& field, const std::string& where) {
  std::string out;
  for (const std::string& column : field.columns) {
    const Json* cell = find_column(row, column);
    if (cell == nullptr) input_error(where, ": ", column, " is missing");
    if (!out.empty()) out += '/';
    out += text_of(*cell);
  }
  return out;
}

Json subtitles(const Json& cell, const Field& field, const DataFolder& folder, const std::string& where) {
  const std::filesystem::path path = folder.path() / field.folder / (text_of(cell) + ".srt");
  folder.check_inside(path, where);
  return std::filesystem::exists(path) ? Json(subtitle_text(read_file(path.string()))) : Json();
}

bool is_empty(const Json* cell) {
  return cell == nullptr || cell->is_null() || (cell->is_string() && cell->get_ref<const std::string&>().empty());
}

void check_value(const Field& f, const Json& value, const std::string& where) {
  if (f.values.empty()) return;
  for (const std::string& allowed : f.values) {
    if (value == allowed) return;
  }
  JsonNode{value, where}.refuse("a value this benchmark has");
}

Json convert_field(const Json& row, const Field& f, const Json& values, const DataFolder& folder,
                   const std::string& where) {
  if (f.as == "option_columns") return option_columns(row, f);
  if (f.as == "joined") return joined(row, f, where);
  const Json* cell = find_column(row, f.column);
  if (is_empty(cell)) {
    if (!f.otherwise.is_null()) return f.otherwise;
    if (!f.optional) input_error(where, ": ", f.column, cell == nullptr ? " is missing" : " is empty");
    return f.as == "letters" ? Json::object() : Json();
  }
  const std::string place = concat(where, ": ", f.column);
  Json value = f.as == "srt" ? subtitles(*cell, f, folder, place) : convert(*cell, f, values, place);
  check_value(f, value, place);
  return value;
}

/// A letter as data sets write it: "B" or "(B)".
bool names_option(const Json& gold, const Json& choices) {
  const std::string text = text_of(gold);
  const bool bracketed = text.size() == 3 && text.front() == '(' && text.back() == ')';
  return choices.contains(bracketed ? text.substr(1, 1) : text);
}

bool has_options(const Json& values) {
  const auto choices = values.find("choices");
  if (choices == values.end() || !choices->is_object()) return false;
  return std::any_of(choices->begin(), choices->end(), [](const Json& text) { return !text_of(text).empty(); });
}

}  // namespace

void check_gold(const Json& values, const Manifest& m, const std::vector<Field>& fields, const std::string& where) {
  const auto field = [&](const char* name) {
    return std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
  };
  const auto answer = field("answer"), options = field("choices");
  const bool in_letters =
      answer != fields.end() && (answer->as == "text" || answer->as == "option_index" || answer->as == "list");
  if (options == fields.end() || !in_letters || !m.answer_type.starts_with("multiple choice")) return;
  if (!has_options(values)) {
    if (m.answer_type.find("open") == std::string::npos)
      input_error(where, ": ", options->columns.empty() ? options->column : options->columns[0], ": no options");
    return;
  }
  const Json& gold = values["answer"];
  for (const Json& one : gold.is_array() ? gold : Json::array({gold})) {
    if (names_option(one, values["choices"])) continue;
    std::string letters;
    for (const auto& [letter, text] : values["choices"].items()) letters += (letters.empty() ? "" : ", ") + letter;
    input_error(where, ": ", answer->column, " is ", one.dump(), ", not one of the options ", letters);
  }
}

std::string subtitle_text(const std::string& srt) {
  std::string out;
  bool in_text = false;
  for (size_t from = 0; from < srt.size();) {
    const size_t end = std::min(srt.find('\n', from), srt.size());
    const std::string line(strip(std::string_view(srt).substr(from, end - from)));
    from = end + 1;
    if (line.empty())
      in_text = false;
    else if (line.find("-->") != std::string::npos)
      in_text = true;  // what stands before is the cue's number
    else if (in_text)
      out += (out.empty() ? "" : "\n") + line;
  }
  return out;
}

std::string insert_marks(const std::string& text, const std::vector<int64_t>& positions, const std::string& marker,
                         const std::string& where) {
  std::string out;
  int64_t at = 0;
  const auto put = [&] {
    for (size_t i = 0; i < positions.size(); ++i) {
      if (positions[i] != at || at == 0) continue;
      const size_t number = marker.find("{n}");
      out += marker.substr(0, number) + std::to_string(i + 1) + marker.substr(number + 3);
    }
  };
  for (size_t byte = 0; byte < text.size(); ++at) {
    put();
    const size_t length = utf8_step(std::string_view(text).substr(byte)).length;
    out += text.substr(byte, length);
    byte += length;
  }
  put();
  for (const int64_t position : positions) {
    if (position < 0 || position > at) input_error(where, ": position ", position, " in a text of ", at, " characters");
  }
  return out;
}

Json convert_row(const Json& row, const std::vector<Field>& fields, const DataFolder& folder,
                 const std::string& where) {
  Json values = Json::object();
  for (const bool choices : {true, false}) {  // other fields look letters up in the choices
    for (const Field& f : fields) {
      if ((f.name == "choices") == choices) values[f.name] = convert_field(row, f, values, folder, where);
    }
  }
  return values;
}

}  // namespace glmv::eval
