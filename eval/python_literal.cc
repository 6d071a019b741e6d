#include "eval/python_literal.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string>

#include "eval/literal.h"

namespace glmv::eval {
namespace {

using Json = nlohmann::json;
using Kind = py::Value::Kind;

constexpr int kMostLevels = 32;

/// What JSON cannot say ends the reading; never leaves this file.
struct NotJson {};

Json integer(const py::Value& value) {
  int64_t number = 0;
  const char* end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, number);
  return error == std::errc() && stop == end ? Json(number) : Json(value.number);
}

Json to_json(const py::Value& value, int level);

Json dictionary(const py::Value& value, int level) {
  Json out = Json::object();
  for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
    if (value.items[i].kind != Kind::text) throw NotJson();
    out[value.items[i].text] = to_json(value.items[i + 1], level + 1);
  }
  return out;
}

Json to_json(const py::Value& value, int level) {
  if (level > kMostLevels) throw NotJson();
  switch (value.kind) {
    case Kind::none: return nullptr;
    case Kind::boolean: return value.number != 0;
    case Kind::integer: return integer(value);
    case Kind::real: return value.number;
    case Kind::text: return value.text;
    case Kind::dict: return dictionary(value, level);
    case Kind::list:
    case Kind::tuple: break;
  }
  Json out = Json::array();
  for (const py::Value& item : value.items) out.push_back(to_json(item, level + 1));
  return out;
}

}  // namespace

std::optional<Json> parse_python_literal(std::string_view text) {
  const std::optional<py::Value> value = py::literal(text);
  if (!value) return std::nullopt;
  try {
    return to_json(*value, 0);
  } catch (const NotJson&) {
    return std::nullopt;
  }
}

}  // namespace glmv::eval
