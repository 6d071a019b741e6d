#include "eval/json_lines.h"

#include <algorithm>
#include <string_view>

#include "data/json_file.h"
#include "eval/bytes.h"
#include "reference/core/error.h"

namespace glmv::eval {

void for_each_json_line(const std::string& path, const std::function<void(int64_t line, nlohmann::json object)>& take) {
  const MappedFile file = MappedFile::open(path);
  std::string_view text = file.text();
  for (int64_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string one(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.find_first_not_of(" \t\r") == std::string::npos) continue;
    take(line, parse_json_object(one, concat(path, " line ", line)));
  }
}

}  // namespace glmv::eval
