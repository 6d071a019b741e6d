#include "data/json_file.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "reference/core/error.h"

namespace glmv {

using nlohmann::json;

json parse_json(const std::string& text, const std::string& path, int most_levels) {
  std::vector<std::set<std::string>> keys;  // by depth: those of the object that is being read there
  const auto guard = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > most_levels) input_error(path, ": nested deeper than ", most_levels, " levels");
    const auto level = static_cast<size_t>(depth);
    if (event == json::parse_event_t::object_start) {
      keys.resize(level + 2);
      keys[level + 1].clear();
    } else if (event == json::parse_event_t::key && !keys[level].insert(value.get<std::string>()).second) {
      input_error(path, ": ", value.get<std::string>(), " appears twice in one object");
    }
    return true;
  };
  // The parser takes a zero byte for the end of the text, so what follows it would be ignored.
  if (text.find('\0') != std::string::npos) input_error(path, ": not valid JSON: a zero byte in the text");
  try {
    return json::parse(text, guard);
  } catch (const json::exception& e) {
    input_error(path, ": not valid JSON: ", e.what());
  }
}

json parse_json_object(const std::string& text, const std::string& path) {
  json parsed = parse_json(text, path);
  if (!parsed.is_object()) input_error(path, ": not a JSON object");
  return parsed;
}

}  // namespace glmv
