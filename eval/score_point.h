// GeoBench: coordinates in replies, distances on the sphere, points for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

struct GeoPoint {
  std::string country;
  double latitude = 0, longitude = 0;  ///< degrees
};
/// The lines "country:", "lat:", "lng:"; none if they are not there or out of range.
std::optional<GeoPoint> geobench_parse(std::string_view response);

/// Great-circle distance in km, haversine formula, radius 6371.0088 km.
double geobench_distance(double latitude_a, double longitude_a, double latitude_b, double longitude_b);

/// 5000 within 25 m, then falling with the distance over the size of the map.
double geobench_points(double distance_km, double scale_km);

struct GeoAverage {
  std::optional<double> average, percent;  ///< none without accepted replies
  double refusal_rate = 0;
};
GeoAverage geobench_average(const std::vector<std::optional<double>>& scores);

}  // namespace glmv
