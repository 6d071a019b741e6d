// The time of day as results write it.
#pragma once

#include <ctime>
#include <string>

namespace glmv {

/// UTC in ISO 8601, to the second: "2026-11-28T09:05:00Z".
inline std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace glmv
