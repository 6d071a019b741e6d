#include "eval/score_point.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {

namespace {

constexpr double kMostPoints = 5000;

/// A line that begins with a key and ends with its value, asterisks allowed around both.
std::string line(const std::string& key, const std::string& value) {
  return R"((?:^|\n)(?:\*\*)?)" + key + R"((?:\*\*)?:\s*\**\s*()" + value + R"()\s*\**\s*(?:\n|$))";
}

}  // namespace

std::optional<GeoPoint> geobench_parse(std::string_view response) {
  static const std::string country_line = line("(?:country|Country)", R"([^,\r\n]+?)"),
                           latitude_line = line("(?:lat|Lat)", R"([-+]?\d+\.?\d*?)"),
                           longitude_line = line("(?:lng|Lng)", R"([-+]?\d+\.?\d*?)");
  constexpr unsigned kFlags = py::kMultiline | py::kDotAll;
  static const py::Regex country(country_line, kFlags), longitude(longitude_line, kFlags),
      all(country_line + ".*?" + latitude_line + ".*?" + longitude_line, kFlags);
  // What the first country line cannot be completed by, no later one can; nothing counts behind the last longitude.
  const auto last = longitude.last(response);
  const auto first = last ? country.search(response) : std::nullopt;
  const auto m = first ? all.match_at(response.substr(0, last->end()), first->start()) : std::nullopt;
  if (!m) return std::nullopt;
  constexpr double kMostLatitude = 90, kMostLongitude = 180;
  const GeoPoint point{std::string(py::strip(m->group(1))), *py::to_float(m->group(2)), *py::to_float(m->group(3))};
  const bool in_range = std::abs(point.latitude) <= kMostLatitude && std::abs(point.longitude) <= kMostLongitude;
  return in_range ? std::optional(point) : std::nullopt;
}

double geobench_distance(double latitude_a, double longitude_a, double latitude_b, double longitude_b) {
  constexpr double kRadiusKm = 6371.0088, kRadians = std::numbers::pi / 180;
  const double north = std::sin((latitude_b - latitude_a) * kRadians / 2);
  const double east = std::sin((longitude_b - longitude_a) * kRadians / 2);
  const double d = north * north + std::cos(latitude_a * kRadians) * std::cos(latitude_b * kRadians) * east * east;
  return 2 * kRadiusKm * std::asin(std::sqrt(std::min(d, 1.0)));
}

double geobench_points(double distance_km, double scale_km) {
  constexpr double kExactMetres = 25, kBase = 0.99866017, kMetres = 1000;
  const double metres = distance_km * kMetres;
  if (metres <= kExactMetres) return kMostPoints;
  return py::round(kMostPoints * std::pow(kBase, metres / scale_km));
}

GeoAverage geobench_average(const std::vector<std::optional<double>>& scores) {
  constexpr double kPointsPerPercent = kMostPoints / 100;
  double sum = 0, accepted = 0;
  for (const auto& score : scores) {
    if (score) sum += *score, accepted += 1;
  }
  const auto n = static_cast<double>(scores.size());
  GeoAverage out;
  out.refusal_rate = n == 0 ? 0 : (n - accepted) / n;
  if (accepted > 0) out.average = sum / accepted, out.percent = *out.average / kPointsPerPercent;
  return out;
}

}  // namespace glmv
