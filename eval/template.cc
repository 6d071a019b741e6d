#include "eval/template.h"

#include <functional>

#include "reference/core/error.h"

namespace glmv::eval {
namespace {

bool is_name_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/// Calls on_text for what stands as it is and on_name for every {name}.
void walk(const std::string& text, const std::function<void(std::string_view)>& on_text,
          const std::function<void(const std::string&)>& on_name) {
  size_t from = 0;
  for (size_t open = text.find('{'); open != std::string::npos; open = text.find('{', open + 1)) {
    size_t end = open + 1;
    while (end < text.size() && is_name_character(text[end])) ++end;
    if (end == open + 1 || end >= text.size() || text[end] != '}') continue;
    on_text(std::string_view(text).substr(from, open - from));
    on_name(text.substr(open + 1, end - open - 1));
    from = end + 1;
  }
  on_text(std::string_view(text).substr(from));
}

std::string options_text(const Json& choices, const std::string& option) {
  std::string out;
  for (const auto& item : choices.items()) {
    const std::string letter = item.key(), text = text_of(item.value());
    if (!out.empty()) out += '\n';
    walk(
        option, [&](std::string_view part) { out += part; },
        [&](const std::string& name) { out += name == "letter" ? letter : text; });
  }
  return out;
}

std::string letters_text(const Json& choices) {
  std::string out;
  for (const auto& [letter, text] : choices.items()) out += (out.empty() ? "" : ", ") + letter;
  return out;
}

}  // namespace

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const Json& one : value) {
    if (!out.empty()) out += '\n';
    out += text_of(one);
  }
  return out;
}

std::string fill_template(const std::string& text, const Json& values, const std::string& option,
                          const std::string& where) {
  std::string out;
  walk(
      text, [&](std::string_view part) { out += part; },
      [&](const std::string& name) {
        const bool from_choices = name == "options" || name == "letters";
        const auto found = values.find(from_choices ? "choices" : name);
        if (found == values.end()) input_error(where, ": the prompt wants {", name, "}, and no such field is there");
        if (found->is_null()) return;
        out += name == "options"   ? options_text(*found, option)
               : name == "letters" ? letters_text(*found)
                                   : text_of(*found);
      });
  return out;
}

bool holds(const Json& conditions, const Json& values) {
  for (const auto& [name, wanted] : conditions.items()) {
    const auto found = values.find(name);
    const Json value = found == values.end() ? Json() : *found;
    bool any = value == wanted;
    if (wanted.is_array())
      for (const Json& one : wanted) any = any || value == one;
    if (!any) return false;
  }
  return true;
}

std::string render_frame(const Frame& frame, const Json& values, const std::string& where) {
  std::string out;
  for (const PromptPart& part : frame.parts) {
    if (!part.if_field.empty()) {
      const auto found = values.find(part.if_field);
      if (found == values.end() || found->is_null() || found->empty() || text_of(*found).empty()) continue;
    }
    if (holds(part.when, values)) out += fill_template(part.text, values, frame.option, where);
  }
  return out;
}

void collect_names(const std::string& text, std::set<std::string>& names) {
  walk(
      text, [](std::string_view) {},
      [&](const std::string& name) {
        if (name != "letter" && name != "text") names.insert(name == "letters" ? "choices" : name);
      });
}

void collect_references(const Json& value, std::set<std::string>& names) {
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (text.starts_with('$')) names.insert(text.substr(1, text.find('.') - 1));
  } else if (value.is_structured()) {
    for (const auto& [key, one] : value.items()) {
      if (value.is_object() && (key == "unless" || key == "unless_null")) {
        const Json list = one.is_array() ? one : Json::array({one});
        for (const Json& name : list)
          if (name.is_string()) names.insert(name.get<std::string>());
      }
      if (value.is_object() && key == "when")
        for (const auto& [name, wanted] : one.items()) names.insert(name);
      collect_references(one, names);
    }
  }
}

Json resolve(const Json& value, const Json& values, const std::string& where) {
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (!text.starts_with('$')) return value;
    const size_t dot = text.find('.');
    const std::string name = text.substr(1, dot - 1);
    const auto found = values.find(name);
    if (found == values.end()) usage_error(where, ": ", text, ": no field and no step has this name");
    if (dot == std::string::npos) return *found;
    const auto member = found->is_object() ? found->find(text.substr(dot + 1)) : found->end();
    return found->is_object() && member != found->end() ? *member : Json();
  }
  if (!value.is_structured()) return value;
  Json out = value;
  for (auto& one : out) one = resolve(one, values, where);
  return out;
}

}  // namespace glmv::eval
