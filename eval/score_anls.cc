#include "eval/score_anls.h"

#include <algorithm>

#include "eval/edit_distance.h"
#include "eval/text.h"

namespace glmv {
namespace {

std::string squeezed(std::string_view text) {
  const std::string small = py::lower(py::strip(text));
  return py::join(py::split(small), " ");
}

/// Edit distance over the longer length, lengths counted on upper-case texts; 0 for two empty ones.
double relative_distance(std::string_view a, std::string_view b, std::string_view long_a, std::string_view long_b) {
  const size_t length = std::max(py::length(py::upper(long_a)), py::length(py::upper(long_b)));
  return length == 0 ? 0 : static_cast<double>(edit_distance(a, b)) / static_cast<double>(length);
}

}  // namespace

AnlsDocvqa anls_docvqa(std::string_view groundtruth, std::string_view prediction) {
  constexpr double kLeast = 0.5;
  const double distance = relative_distance(squeezed(groundtruth), squeezed(prediction), groundtruth, prediction);
  const double score = 1 - distance;
  return {distance, score < kLeast ? 0 : score};
}

double anls_package(std::string_view gold, std::string_view prediction, double threshold) {
  const std::string a = squeezed(gold), b = squeezed(prediction);
  const double distance = relative_distance(a, b, a, b);
  return distance < threshold ? 1 - distance : 0;
}

}  // namespace glmv
