#include "data/stop_strings.h"

#include <algorithm>
#include <utility>

#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

/// Length of the longest end of `text` with which `stop` begins.
size_t begun(std::string_view text, std::string_view stop) {
  size_t length = std::min(text.size(), stop.size() - 1);
  while (length > 0 && !stop.starts_with(text.substr(text.size() - length))) --length;
  return length;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) GLMV_CHECK(!stop.empty(), "an empty stop string");
}

std::string StopStrings::push(std::string_view bytes) {
  if (!found_.empty()) return "";
  held_ += bytes;
  size_t first_end = std::string::npos;
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    keep = std::max(keep, begun(held_, stop));
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (end > first_end || (end == first_end && stop.size() <= found_.size())) continue;
    first_end = end;
    found_ = stop;
  }
  const size_t shown = found_.empty() ? held_.size() - keep : first_end - found_.size();
  std::string out = held_.substr(0, shown);
  held_.erase(0, shown);
  return out;
}

std::string StopStrings::finish() {
  if (!found_.empty()) return "";
  return std::exchange(held_, "");
}

std::string TextStream::push(int64_t id) {
  bytes_ += stops_.push(tokenizer_.token_bytes(id));
  std::string text;
  bytes_.erase(0, utf8_append_lossy(bytes_, false, text));
  return text;
}

std::string TextStream::finish() {
  bytes_ += stops_.finish();
  std::string text;
  utf8_append_lossy(bytes_, true, text);
  bytes_.clear();
  return text;
}

}  // namespace glmv
