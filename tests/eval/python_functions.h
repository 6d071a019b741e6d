// The functions of eval/text.h, number.h, literal.h and regex.h by name, arguments and results as JSON; numbers as the
// text that Python prints for them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "eval/edit_distance.h"
#include "eval/literal.h"
#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {

inline nlohmann::json found_by(const py::Regex& regex, const std::string& text) {
  nlohmann::json out = nlohmann::json::array();
  for (const py::Match& m : regex.all(text))
    out.push_back({std::string(m.group()), py::length(std::string_view(text).substr(0, m.start()))});
  return out;
}

/// Null is what Python raises for.
inline nlohmann::json call_python_function(const std::string& name, const nlohmann::json& in) {
  using nlohmann::json;
  const auto text = in.at("t").get<std::string>();
  const auto printed = [](const std::optional<double>& x) { return x ? json(py::repr(*x)) : json(nullptr); };
  const auto value = [](const std::optional<py::Value>& v) { return v ? json(py::repr(*v)) : json(nullptr); };
  const auto number = [&] { return py::to_float(text).value(); };
  const auto digits = [&] { return in.at("n").get<int>(); };
  const auto regex = [&] { return py::Regex(in.at("p").get<std::string>(), in.at("f").get<unsigned>()); };
  if (name == "lower") return py::lower(text);
  if (name == "upper") return py::upper(text);
  if (name == "isupper") return py::is_upper(text);
  if (name == "strip") return std::string(py::strip(text));
  if (name == "strip_of") return std::string(py::strip(text, in.at("c").get<std::string>()));
  if (name == "len") return py::length(text);
  if (name == "split") {
    json out = json::array();
    for (const auto part : py::split(text)) out.push_back(std::string(part));
    return out;
  }
  if (name == "float") return printed(py::to_float(text));
  if (name == "int") return py::to_int(text) ? json(*py::to_int(text)) : json(nullptr);
  if (name == "int_of_float") return py::int_text(number());
  if (name == "round") return py::repr(py::round(number(), digits()));
  if (name == "repr") return py::repr(number());
  if (name == "fixed") return py::fixed(number(), digits());
  if (name == "literal") return value(py::literal(text));
  if (name == "eval") return value(py::evaluate(text));
  if (name == "findall") return found_by(regex(), text);
  if (name == "fullmatch") return regex().full_match(text).has_value();
  if (name == "edit_distance") return edit_distance(text, in.at("u").get<std::string>());
  if (name == "common_subsequence") return common_subsequence(text, in.at("u").get<std::string>());
  usage_error("no function ", name);
}

}  // namespace glmv
